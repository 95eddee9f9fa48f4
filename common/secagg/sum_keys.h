#pragma once

#include <cstdint>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"

/// The values that are derived from K, the key of 32 bytes that a job's sites agree on and the coordinator doesn't
/// know. Each function fails with kInvalidArgument if K has another size.
namespace consilium::secagg {

inline constexpr std::size_t kSumKeyBytes = 32;

/// Derives r of the tags (tag.h), which all groups of a round share: kFieldSecretBytes bytes.
Result<crypto::SecretBytes> tag_key(const crypto::SecretBytes& key, job::SumKind kind, std::uint32_t round);

/// Derives s_g of the tags, for one group in one attempt: kFieldSecretBytes bytes. It depends on the round and the
/// group, so that no tag is valid for another group or another round.
/// @param cohort  ctx2 of the group's attempt
Result<crypto::SecretBytes> tag_offset(const crypto::SecretBytes& key, job::SumKind kind, std::uint32_t round,
                                       std::uint32_t group, const crypto::Digest& cohort);

}  // namespace consilium::secagg
