#include "common/secagg/sum_keys.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <utility>

#include "common/secagg/field.h"
#include "common/secagg/statement.h"

namespace consilium::secagg {
namespace {

Result<crypto::SecretBytes> derive_from(const crypto::SecretBytes& key, Statement info, std::size_t size) {
  if (key.size() != kSumKeyBytes)
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("the job's key: expected {} bytes, found {}", kSumKeyBytes, key.size()));
  return derive(key, {}, std::move(info), size);
}

}  // namespace

Result<crypto::SecretBytes> tag_key(const crypto::SecretBytes& key, job::SumKind kind, std::uint32_t round) {
  Statement info("consilium/v1/group/check");
  info.number(static_cast<std::uint8_t>(kind)).number(round);
  return derive_from(key, std::move(info), kFieldSecretBytes);
}

Result<crypto::SecretBytes> tag_offset(const crypto::SecretBytes& key, job::SumKind kind, std::uint32_t round,
                                       std::uint32_t group, const crypto::Digest& cohort) {
  Statement info("consilium/v1/group/offset");
  info.number(static_cast<std::uint8_t>(kind)).number(round).number(group).add(cohort);
  return derive_from(key, std::move(info), kFieldSecretBytes);
}

}  // namespace consilium::secagg
