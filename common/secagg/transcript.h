#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/secagg/messages.h"

/// The inputs of every hash, signature and key derivation of mode `masked-threshold`. Each has its own label, and every
/// part is preceded by its length, so that no two of them ever have the same input.
namespace consilium::secagg {

/// Returns ctx1, which binds one attempt at one sum. The order contains everything that determines what a site does.
/// Two sites that were told different things therefore have different contexts, and no signature of one is valid for
/// the other.
[[nodiscard]] crypto::Digest attempt_context(const job::RoundOrder& order);

/// Returns ctx2, which binds the attempt and the keys of all sites.
[[nodiscard]] crypto::Digest cohort_context(const crypto::Digest& attempt, const AdvertList& adverts);

/// Returns the bytes that an advert's signature covers.
[[nodiscard]] std::vector<std::byte> advert_statement(const crypto::Digest& attempt, const Advert& advert);
/// Returns the bytes that a confirmation's signature covers: the sites that shared keys (U2), and those whose vectors
/// are summed (U3).
[[nodiscard]] std::vector<std::byte> confirmation_statement(const crypto::Digest& cohort, std::span<const Rank> sharers,
                                                            std::span<const Rank> survivors);

[[nodiscard]] crypto::Digest seed_commitment(const crypto::Digest& cohort, Rank site,
                                             std::span<const std::uint8_t> seed);

/// Tells which of a site's two secrets a share belongs to.
enum class ShareOf : std::uint8_t { kSeed = 1, kMaskKey = 2 };
[[nodiscard]] crypto::Digest share_commitment(const crypto::Digest& cohort, ShareOf of, Rank from, Rank to,
                                              std::span<const std::uint8_t> share);

/// Derives the key that seals the shares which `from` sends to `to`. The key seals one message, so the nonce may be
/// zero.
Result<crypto::SecretBytes> box_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort, Rank from,
                                    Rank to);
/// Returns the additional data that a box's tag covers besides the shares.
[[nodiscard]] std::vector<std::uint8_t> box_header(const crypto::Digest& cohort, Rank from, Rank to);

/// Derives the key of the mask that two sites share. The site of lower rank adds the mask, and the other subtracts it.
Result<crypto::SecretBytes> pair_mask_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort, Rank one,
                                          Rank other);
/// Derives the key of the self-mask, which a site adds to its own vector.
Result<crypto::SecretBytes> self_mask_key(const crypto::SecretBytes& seed, const crypto::Digest& cohort, Rank site);

}  // namespace consilium::secagg
