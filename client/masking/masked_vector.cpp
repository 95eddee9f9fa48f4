#include "client/masking/masked_vector.h"

#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include "common/files/descriptor.h"

namespace consilium::masking {
namespace {

/// Creates the file and maps it. Its descriptor isn't needed afterwards.
Result<std::span<std::uint32_t>> map_new_file(const std::filesystem::path& file, std::uint64_t count) {
  const files::Descriptor descriptor(::open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!descriptor) return fail(files::system_error(file, "create"));
  const std::size_t bytes = count * sizeof(std::uint32_t);
  void* memory = MAP_FAILED;
  // Reserves the space now, so that a full disk is an error here and not a signal when a page is written.
  const int problem = ::posix_fallocate(descriptor.get(), 0, static_cast<off_t>(bytes));
  if (problem == 0) memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor.get(), 0);
  if (problem != 0) errno = problem;
  const Error failed = files::system_error(file, problem != 0 ? "allocate" : "map");
  if (memory == MAP_FAILED) {
    ::unlink(file.c_str());
    return fail(failed);
  }
  return std::span(static_cast<std::uint32_t*>(memory), count);
}

}  // namespace

MaskedVector::MaskedVector(MaskedVector&& other) noexcept
    : words_(std::exchange(other.words_, {})), digest_(other.digest_) {}

MaskedVector::~MaskedVector() {
  if (!words_.empty()) ::munmap(words_.data(), words_.size_bytes());
}

Result<MaskedVector> MaskedVector::create(const std::filesystem::path& file, std::uint64_t count,
                                          std::span<const secagg::MaskTerm> masks,
                                          const std::function<Result<void>(const WordSink&)>& write, unsigned threads,
                                          const VectorTail& tail) {
  CONSILIUM_ASSIGN(secagg::Masker masker, secagg::Masker::create(masks));
  CONSILIUM_ASSIGN(const std::span<std::uint32_t> mapped, map_new_file(file, count + tail.words));
  MaskedVector vector(mapped);
  crypto::Sha256 hash;
  std::span<std::uint32_t> rest = mapped.first(count);
  auto written = write([&](std::span<std::uint32_t> words) -> Result<void> {
    if (words.size() > rest.size()) return fail(ErrorCode::kInternal, "a vector has more words than its layout");
    CONSILIUM_TRY(threads > 1 ? secagg::add_masks(masks, count - rest.size(), words, threads) : masker.add(words));
    hash.update(std::as_bytes(words));
    std::ranges::copy(words, rest.begin());
    rest = rest.subspan(words.size());
    return {};
  });
  if (written && rest.empty() && tail.words > 0) {
    written = tail.write(mapped.last(tail.words));
    hash.update(std::as_bytes(mapped.last(tail.words)));
  }
  std::error_code ignored;
  if (!written || !rest.empty()) {
    std::filesystem::remove(file, ignored);
    if (!written) return fail(written.error());
    return fail(ErrorCode::kInternal, "a vector has fewer words than its layout");
  }
  vector.digest_ = hash.finish();
  return vector;
}

}  // namespace consilium::masking
