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

/// What every hash, signature and key of the protocol is bound to. Each has a label of its own, and every part of its
/// input stands after its length, so that no two of them ever have the same input.
namespace consilium::secagg {

/// ctx1: one attempt at one sum. The order holds all that steers a site, so two sites that were told different things
/// have different contexts, and no signature of one counts for the other.
[[nodiscard]] crypto::Digest attempt_context(const job::RoundOrder& order);

/// ctx2: the attempt and everybody's keys.
[[nodiscard]] crypto::Digest cohort_context(const crypto::Digest& attempt, const AdvertList& adverts);

/// What an advert's signature is over.
[[nodiscard]] std::vector<std::byte> advert_statement(const crypto::Digest& attempt, const Advert& advert);
/// What a confirmation's signature is over: who shared keys (U2), and whose vectors are summed (U3).
[[nodiscard]] std::vector<std::byte> confirmation_statement(const crypto::Digest& cohort, std::span<const Rank> sharers,
                                                            std::span<const Rank> survivors);

[[nodiscard]] crypto::Digest seed_commitment(const crypto::Digest& cohort, Rank site,
                                             std::span<const std::uint8_t> seed);

/// Which of a site's two secrets a share is of.
enum class ShareOf : std::uint8_t { kSeed = 1, kMaskKey = 2 };
[[nodiscard]] crypto::Digest share_commitment(const crypto::Digest& cohort, ShareOf of, Rank from, Rank to,
                                              std::span<const std::uint8_t> share);

/// The key that seals the shares which `from` sends to `to`. Used for one message, so the nonce may be zero.
Result<crypto::SecretBytes> box_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort, Rank from,
                                    Rank to);
/// What a box's tag covers besides the shares.
[[nodiscard]] std::vector<std::uint8_t> box_header(const crypto::Digest& cohort, Rank from, Rank to);

/// The key of the mask that two sites share: the one of lower rank adds it, the other subtracts it.
Result<crypto::SecretBytes> pair_mask_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort, Rank one,
                                          Rank other);
/// The key of the mask that a site adds to its own vector.
Result<crypto::SecretBytes> self_mask_key(const crypto::SecretBytes& seed, const crypto::Digest& cohort, Rank site);

}  // namespace consilium::secagg
