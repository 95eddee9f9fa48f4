#include "common/secagg/group_transcript.h"

#include <algorithm>

#include "common/secagg/statement.h"

namespace consilium::secagg {

crypto::Digest attempt_context(const job::RoundOrder& order, const crypto::Digest& confirmation) {
  return Statement("consilium/v1/group/attempt")
      .number(static_cast<std::uint8_t>(order.kind))
      .add(order.job)
      .number(order.round)
      .number(order.group)
      .number(order.attempt)
      .add(order.model)
      .add(job::order_digest(job::encode(order)))
      .add(confirmation)
      .digest();
}

crypto::Digest cohort_context(const crypto::Digest& attempt, const GroupAdvertList& list) {
  return Statement("consilium/v1/group/cohort").add(attempt).add(encode(list)).digest();
}

std::vector<std::byte> advert_statement(const crypto::Digest& attempt, const GroupAdvert& advert) {
  Statement statement("consilium/v1/group/advertise");
  statement.add(attempt)
      .add(advert.site)
      .add(advert.certificate)
      .add(std::span<const std::uint8_t>(advert.mask_key))
      .number(advert.number);
  for (const Seen& seen : advert.seen) statement.number(seen.number).add(seen.advert);
  return statement.take();
}

crypto::Digest advert_digest(const crypto::Digest& attempt, const GroupAdvert& advert) {
  return crypto::sha256(advert_statement(attempt, advert));
}

Result<crypto::SecretBytes> pair_mask_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort,
                                          const std::string& one, const std::string& other) {
  const auto& [first, second] = std::minmax(one, other);
  return derive(agreed, cohort, Statement("consilium/v1/group/pair-mask").add(first).add(second), kSecretBytes);
}

}  // namespace consilium::secagg
