#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/agreement_messages.h"

/// What every hash, signature and key of the agreement is bound to. Each has a label of its own (statement.h), so
/// nothing that a site signs in a sum counts here, nor the other way round.
namespace consilium::secagg {

/// The context of one try at agreeing on a key for a job; adverts are signed over it.
[[nodiscard]] crypto::Digest agreement_context(const crypto::Digest& job, std::uint32_t attempt);
/// ctxK: the try and the adverts of all sites that take part. Whatever follows is bound to it.
[[nodiscard]] crypto::Digest sites_context(const crypto::Digest& context, const AgreementAdvertList& list);

/// What an advert's signature is over.
[[nodiscard]] std::vector<std::byte> advert_statement(const crypto::Digest& context, const AgreementAdvert& advert);

/// Derives a site's number from its fresh seed of 32 bytes. The number depends on the list of sites too: a site that is
/// restored from an earlier state and given the same list says the same again, and given another list it uses another
/// number. So no box's key ever seals two numbers, and a number published in one run tells nothing of another run's.
Result<crypto::SecretBytes> own_number(const crypto::SecretBytes& seed, const crypto::Digest& sites);

/// Commits to a number: SHA-256 over a label, ctxK, the site's rank and the number. It hides the number without further
/// randomness, because the number is 32 uniform bytes, used for nothing else that is public: whoever finds it from the
/// commitment has inverted SHA-256 on a random input. It binds the site, because two numbers with one commitment are a
/// collision of SHA-256. The rank keeps a site from repeating another's commitment as its own.
[[nodiscard]] crypto::Digest number_commitment(const crypto::Digest& sites, Rank from,
                                               std::span<const std::uint8_t> number);

/// The key that seals the number which `from` sends to `to`. Used for one message, so the nonce may be zero.
/// @param agreed  what X25519 gave for their box keys
Result<crypto::SecretBytes> number_box_key(const crypto::SecretBytes& agreed, const crypto::Digest& sites, Rank from,
                                           Rank to);
/// What a box's tag covers besides the number.
[[nodiscard]] std::vector<std::uint8_t> number_box_header(const crypto::Digest& sites, Rank from, Rank to);

/// What a box's signature is over.
[[nodiscard]] std::vector<std::byte> number_box_statement(const crypto::Digest& sites, Rank from, Rank to,
                                                          const SealedNumber& sealed, const crypto::Digest& commitment);
/// What a complaint's signature is over. It names the commitment, so a site publishes its number only to somebody who
/// was shown its own commitment.
[[nodiscard]] std::vector<std::byte> complaint_statement(const crypto::Digest& sites, Rank from, Rank about,
                                                         const crypto::Digest& commitment);

/// K: 32 bytes, by HKDF from all numbers in order of rank, salted with ctxK. It is uniform to everybody who doesn't
/// know one of the numbers.
Result<crypto::SecretBytes> agreed_key(std::span<const crypto::SecretBytes> numbers, const crypto::Digest& sites);

/// What a site says of its key to the coordinator, and what each sum's context contains: HKDF(K, "confirm", job
/// digest). Sites with different keys have different confirmations; it tells nothing of K, which has 256 bits, or of
/// what else is derived from it under other labels.
Result<crypto::Digest> agreement_confirmation(const crypto::SecretBytes& key, const crypto::Digest& job);
/// What the signature of a confirmation is over.
[[nodiscard]] std::vector<std::byte> agreed_statement(const crypto::Digest& sites, Rank from,
                                                      const crypto::Digest& confirmation);

}  // namespace consilium::secagg
