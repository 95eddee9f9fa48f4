#include "common/secagg/transcript.h"

#include <algorithm>
#include <utility>

#include "common/encoding/byte_writer.h"
#include "common/secagg/statement.h"

namespace consilium::secagg {
namespace {

/// Hashes like Statement, but for secret parts: no copy of them stays in memory.
crypto::Digest commitment(Statement header, std::span<const std::uint8_t> secret) {
  crypto::Sha256 hash;
  hash.update(header.take());
  encoding::ByteWriter length;
  length.integer(std::uint64_t{secret.size()});
  hash.update(length.take());
  hash.update(std::as_bytes(secret));
  return hash.finish();
}

Result<crypto::SecretBytes> derive(const crypto::SecretBytes& key, const crypto::Digest& cohort, Statement info) {
  return secagg::derive(key, cohort, std::move(info), kSecretBytes);
}

}  // namespace

crypto::Digest attempt_context(const job::RoundOrder& order) {
  return Statement("consilium/v1/attempt")
      .number(static_cast<std::uint8_t>(order.kind))
      .add(order.job)
      .number(order.round)
      .number(order.attempt)
      .add(order.model)
      .add(job::order_digest(job::encode(order)))
      .digest();
}

crypto::Digest cohort_context(const crypto::Digest& attempt, const AdvertList& adverts) {
  return Statement("consilium/v1/cohort").add(attempt).add(encode(CoordinatorMessage(adverts))).digest();
}

std::vector<std::byte> advert_statement(const crypto::Digest& attempt, const Advert& advert) {
  return Statement("consilium/v1/advertise")
      .add(attempt)
      .add(advert.site)
      .add(std::span<const std::uint8_t>(advert.channel_key))
      .add(std::span<const std::uint8_t>(advert.mask_key))
      .take();
}

std::vector<std::byte> confirmation_statement(const crypto::Digest& cohort, std::span<const Rank> sharers,
                                              std::span<const Rank> survivors) {
  return Statement("consilium/v1/confirm").add(cohort).add(sharers).add(survivors).take();
}

crypto::Digest seed_commitment(const crypto::Digest& cohort, Rank site, std::span<const std::uint8_t> seed) {
  return commitment(Statement("consilium/v1/seed").add(cohort).number(site), seed);
}

crypto::Digest share_commitment(const crypto::Digest& cohort, ShareOf of, Rank from, Rank to,
                                std::span<const std::uint8_t> share) {
  return commitment(Statement(of == ShareOf::kSeed ? "consilium/v1/seed-share" : "consilium/v1/key-share")
                        .add(cohort)
                        .number(from)
                        .number(to),
                    share);
}

Result<crypto::SecretBytes> box_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort, Rank from,
                                    Rank to) {
  return derive(agreed, cohort, Statement("consilium/v1/box").number(from).number(to));
}

std::vector<std::uint8_t> box_header(const crypto::Digest& cohort, Rank from, Rank to) {
  std::vector<std::uint8_t> header(cohort.begin(), cohort.end());
  header.push_back(from);
  header.push_back(to);
  return header;
}

Result<crypto::SecretBytes> pair_mask_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort, Rank one,
                                          Rank other) {
  const auto [lower, higher] = std::minmax(one, other);
  return derive(agreed, cohort, Statement("consilium/v1/pair-mask").number(lower).number(higher));
}

Result<crypto::SecretBytes> self_mask_key(const crypto::SecretBytes& seed, const crypto::Digest& cohort, Rank site) {
  return derive(seed, cohort, Statement("consilium/v1/self-mask").number(site));
}

}  // namespace consilium::secagg
