#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/agreement_messages.h"

/// The inputs of every hash, signature and key derivation of the agreement. Each has its own label (statement.h), so
/// nothing that a site signs in a sum is valid here, and nothing signed here is valid in a sum.
namespace consilium::secagg {

/// Returns the context of one try at agreeing on a key for a job. Adverts are signed over it.
[[nodiscard]] crypto::Digest agreement_context(const crypto::Digest& job, std::uint32_t attempt);
/// Returns ctxK, which binds the try and the adverts of all sites that take part. Every later step is bound to it.
[[nodiscard]] crypto::Digest sites_context(const crypto::Digest& context, const AgreementAdvertList& list);

/// Returns the bytes that an advert's signature covers.
[[nodiscard]] std::vector<std::byte> advert_statement(const crypto::Digest& context, const AgreementAdvert& advert);

/// Derives a site's number from its fresh seed of 32 bytes. The number depends on the list of sites, too. A site that
/// is restored from an earlier state derives the same number again if it gets the same list, and another number if it
/// gets another list. Therefore no box key ever seals two numbers, and a number that is published in one run says
/// nothing about another run's.
Result<crypto::SecretBytes> own_number(const crypto::SecretBytes& seed, const crypto::Digest& sites);

/// Commits to a number: SHA-256 over a label, ctxK, the site's rank and the number. The commitment is hiding without
/// further randomness, because the number is 32 uniform bytes that are used for nothing else public: finding it from
/// the commitment means inverting SHA-256 on a random input. The commitment is binding, because two numbers with one
/// commitment are a collision of SHA-256. The rank keeps a site from presenting another site's commitment as its own.
[[nodiscard]] crypto::Digest number_commitment(const crypto::Digest& sites, Rank from,
                                               std::span<const std::uint8_t> number);

/// Derives the key that seals the number which `from` sends to `to`. The key seals one message, so the nonce may be
/// zero.
/// @param agreed  the X25519 shared secret of their box keys
Result<crypto::SecretBytes> number_box_key(const crypto::SecretBytes& agreed, const crypto::Digest& sites, Rank from,
                                           Rank to);
/// Returns the additional data that a box's tag covers besides the number.
[[nodiscard]] std::vector<std::uint8_t> number_box_header(const crypto::Digest& sites, Rank from, Rank to);

/// Returns the bytes that a box's signature covers.
[[nodiscard]] std::vector<std::byte> number_box_statement(const crypto::Digest& sites, Rank from, Rank to,
                                                          const SealedNumber& sealed, const crypto::Digest& commitment);
/// Returns the bytes that a complaint's signature covers. They include the commitment, so a site publishes its number
/// only to a site that has received the commitment which it really made.
[[nodiscard]] std::vector<std::byte> complaint_statement(const crypto::Digest& sites, Rank from, Rank about,
                                                         const crypto::Digest& commitment);

/// Derives K (32 bytes) by HKDF from all numbers in order of rank, salted with ctxK. K is uniform to everyone who lacks
/// at least one of the numbers.
Result<crypto::SecretBytes> agreed_key(std::span<const crypto::SecretBytes> numbers, const crypto::Digest& sites);

/// Derives the confirmation of K: HKDF(K, "consilium/v1/agreement-confirm", job digest). A site sends it to the
/// coordinator, and the context of every sum contains it. Sites with different keys have different confirmations. It
/// reveals nothing about K, which has 256 bits, or about the other values that are derived from K under other labels.
Result<crypto::Digest> agreement_confirmation(const crypto::SecretBytes& key, const crypto::Digest& job);
/// Returns the bytes that the signature of a confirmation covers.
[[nodiscard]] std::vector<std::byte> agreed_statement(const crypto::Digest& sites, Rank from,
                                                      const crypto::Digest& confirmation);

}  // namespace consilium::secagg
