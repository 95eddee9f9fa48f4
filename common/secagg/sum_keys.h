#pragma once

#include <cstdint>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

/// What follows from K, the key of 32 bytes that a job's sites agree on and the coordinator doesn't know. Each fails
/// with kInvalidArgument where K has another size.
namespace consilium::secagg {

inline constexpr std::size_t kSumKeyBytes = 32;

/// r of the tags (tag.h), for all groups of a round: kFieldSecretBytes bytes.
Result<crypto::SecretBytes> tag_key(const crypto::SecretBytes& key, job::SumKind kind, std::uint32_t round);

/// s_g of the tags, for one group in one attempt: kFieldSecretBytes bytes. Round and group stand in it, so that no tag
/// counts for another group or another round.
/// @param cohort  ctx2 of the group's attempt
Result<crypto::SecretBytes> tag_offset(const crypto::SecretBytes& key, job::SumKind kind, std::uint32_t round,
                                       std::uint32_t group, const crypto::Digest& cohort);

}  // namespace consilium::secagg
