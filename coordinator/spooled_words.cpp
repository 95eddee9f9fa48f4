#include "coordinator/spooled_words.h"

#include <system_error>
#include <utility>

namespace consilium::coordinator {

Result<std::unique_ptr<SpooledWords>> SpooledWords::open(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(files::Descriptor descriptor, files::open_regular(file));
  CONSILIUM_ASSIGN(const std::uint64_t bytes, files::size_of(descriptor, file));
  const auto words = bytes / sizeof(std::uint32_t);
  return std::unique_ptr<SpooledWords>(new SpooledWords(file, std::move(descriptor), words));
}

SpooledWords::~SpooledWords() {
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

Result<void> SpooledWords::read(std::span<std::uint32_t> words) {
  const std::span<std::byte> out = std::as_writable_bytes(words);
  CONSILIUM_ASSIGN(const std::size_t done, files::read_some(descriptor_, out, file_));
  if (done != out.size()) return fail(ErrorCode::kDataLoss, file_.string() + " ends before its vector does");
  return {};
}

}  // namespace consilium::coordinator
