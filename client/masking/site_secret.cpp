#include "client/masking/site_secret.h"

#include <spdlog/fmt/fmt.h>

#include <span>
#include <string>
#include <vector>

#include "common/crypto/hkdf.h"
#include "common/crypto/random_source.h"
#include "common/encoding/byte_writer.h"
#include "common/files/files.h"

namespace consilium::masking {
namespace {

std::span<const std::uint8_t> octets(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
}

Result<crypto::SecretBytes> create(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(crypto::SecretBytes bytes, crypto::SecretBytes::allocate(SiteSecret::kBytes));
  crypto::SystemRandom random;
  CONSILIUM_TRY(random.fill(bytes.bytes()));
  const std::string_view text(reinterpret_cast<const char*>(bytes.bytes().data()), bytes.size());
  CONSILIUM_TRY(files::create_private_file(file, text));
  return bytes;
}

}  // namespace

Result<SiteSecret> SiteSecret::open(const std::filesystem::path& file) {
  std::error_code problem;
  if (!std::filesystem::exists(file, problem)) {
    CONSILIUM_ASSIGN(crypto::SecretBytes made, create(file));
    return SiteSecret(std::move(made));
  }
  CONSILIUM_ASSIGN(std::string text, files::read_private_file(file, kBytes + 1));
  auto bytes = crypto::SecretBytes::copy_of(octets(std::as_bytes(std::span(text))));
  const std::size_t size = text.size();
  explicit_bzero(text.data(), text.size());
  if (!bytes) return fail(bytes.error());
  if (size != kBytes) {
    return fail(ErrorCode::kDataLoss,
                fmt::format("{}: expected {} secret bytes, found {}; stop the client, have its open jobs stopped and "
                            "remove the file: the client then makes a new one",
                            file.string(), kBytes, size));
  }
  return SiteSecret(*std::move(bytes));
}

Result<SiteSecret> SiteSecret::simulated(std::string_view site, std::uint64_t seed) {
  encoding::ByteWriter writer;
  writer.prefixed<std::uint64_t>(std::string_view("consilium/v1/simulated-secret"));
  writer.prefixed<std::uint64_t>(site);
  writer.integer(seed);
  const crypto::Digest digest = crypto::sha256(writer.take());
  CONSILIUM_ASSIGN(crypto::SecretBytes bytes, crypto::SecretBytes::copy_of(digest));
  return SiteSecret(std::move(bytes));
}

Result<crypto::SecretBytes> SiteSecret::derive(std::string_view purpose, const job::RoundOrder& order,
                                               std::string_view dataset, std::size_t size) const {
  encoding::ByteWriter info;
  info.prefixed<std::uint64_t>(std::string_view("consilium/v1/site-secret"));
  info.prefixed<std::uint64_t>(purpose);
  info.prefixed<std::uint64_t>(std::as_bytes(std::span(order.job)));
  info.prefixed<std::uint64_t>(dataset);
  info.kind(order.kind);
  info.integer(order.round);
  const std::vector<std::byte> bytes = info.take();
  return crypto::hkdf_sha256(bytes_, {}, octets(bytes), size);
}

Result<std::uint64_t> SiteSecret::training_seed(const job::RoundOrder& order, std::string_view dataset) const {
  CONSILIUM_ASSIGN(const crypto::SecretBytes bytes, derive("randomness", order, dataset, sizeof(std::uint64_t)));
  std::uint64_t seed = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) seed |= std::uint64_t{bytes.bytes()[i]} << (8 * i);
  return seed;
}

Result<crypto::SecretBytes> SiteSecret::unusable_key(const job::RoundOrder& order) const {
  return derive("unusable", order, {}, kBytes);
}

Result<crypto::SecretBytes> SiteSecret::agreement_key(const crypto::Digest& job) const {
  job::RoundOrder order;
  order.job = job;
  return derive("agreement", order, {}, kBytes);
}

Result<crypto::SecretBytes> SiteSecret::job_key_sealing(const crypto::Digest& job) const {
  job::RoundOrder order;
  order.job = job;
  return derive("job-key", order, {}, kBytes);
}

Result<crypto::SecretBytes> SiteSecret::sealing_key(const job::RoundOrder& order) const {
  return derive("sealing", order, {}, kBytes);
}

}  // namespace consilium::masking
