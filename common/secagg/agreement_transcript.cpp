#include "common/secagg/agreement_transcript.h"

#include <algorithm>

#include "common/encoding/byte_writer.h"
#include "common/secagg/statement.h"

namespace consilium::secagg {

crypto::Digest agreement_context(const crypto::Digest& job, std::uint32_t attempt) {
  return Statement("consilium/v1/agreement").add(job).number(attempt).digest();
}

crypto::Digest sites_context(const crypto::Digest& context, const AgreementAdvertList& list) {
  return Statement("consilium/v1/agreement-sites").add(context).add(encode(AgreementCoordinatorMessage(list))).digest();
}

std::vector<std::byte> advert_statement(const crypto::Digest& context, const AgreementAdvert& advert) {
  return Statement("consilium/v1/agreement-advert")
      .add(context)
      .add(advert.site)
      .add(std::span<const std::uint8_t>(advert.box_key))
      .take();
}

Result<crypto::SecretBytes> own_number(const crypto::SecretBytes& seed, const crypto::Digest& sites) {
  return derive(seed, sites, Statement("consilium/v1/agreement-number"), kNumberBytes);
}

crypto::Digest number_commitment(const crypto::Digest& sites, Rank from, std::span<const std::uint8_t> number) {
  // Hashes like a Statement, but piece by piece, so that no copy of the number stays in memory.
  crypto::Sha256 hash;
  hash.update(Statement("consilium/v1/agreement-commitment").add(sites).number(from).take());
  encoding::ByteWriter length;
  length.integer(std::uint64_t{number.size()});
  hash.update(length.take());
  hash.update(std::as_bytes(number));
  return hash.finish();
}

Result<crypto::SecretBytes> number_box_key(const crypto::SecretBytes& agreed, const crypto::Digest& sites, Rank from,
                                           Rank to) {
  return derive(agreed, sites, Statement("consilium/v1/agreement-box-key").number(from).number(to), kSecretBytes);
}

std::vector<std::uint8_t> number_box_header(const crypto::Digest& sites, Rank from, Rank to) {
  std::vector<std::uint8_t> header(sites.begin(), sites.end());
  header.push_back(from);
  header.push_back(to);
  return header;
}

std::vector<std::byte> number_box_statement(const crypto::Digest& sites, Rank from, Rank to, const SealedNumber& sealed,
                                            const crypto::Digest& commitment) {
  return Statement("consilium/v1/agreement-box")
      .add(sites)
      .number(from)
      .number(to)
      .add(crypto::sha256(std::as_bytes(std::span(sealed))))
      .add(commitment)
      .take();
}

std::vector<std::byte> complaint_statement(const crypto::Digest& sites, Rank from, Rank about,
                                           const crypto::Digest& commitment) {
  return Statement("consilium/v1/agreement-complaint").add(sites).number(from).number(about).add(commitment).take();
}

Result<crypto::SecretBytes> agreed_key(std::span<const crypto::SecretBytes> numbers, const crypto::Digest& sites) {
  CONSILIUM_ASSIGN(crypto::SecretBytes joined, crypto::SecretBytes::allocate(numbers.size() * kNumberBytes));
  auto rest = joined.bytes();
  for (const crypto::SecretBytes& number : numbers) {
    std::ranges::copy(number.bytes(), rest.begin());
    rest = rest.subspan(kNumberBytes);
  }
  return derive(joined, sites, Statement("consilium/v1/agreement-key"), kSecretBytes);
}

Result<crypto::Digest> agreement_confirmation(const crypto::SecretBytes& key, const crypto::Digest& job) {
  CONSILIUM_ASSIGN(const crypto::SecretBytes derived,
                   derive(key, {}, Statement("consilium/v1/agreement-confirm").add(job), kSecretBytes));
  crypto::Digest confirmation{};
  std::ranges::copy(derived.bytes(), confirmation.begin());
  return confirmation;
}

std::vector<std::byte> agreed_statement(const crypto::Digest& sites, Rank from, const crypto::Digest& confirmation) {
  return Statement("consilium/v1/agreement-agreed").add(sites).number(from).add(confirmation).take();
}

}  // namespace consilium::secagg
