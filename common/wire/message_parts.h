#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/wire/messages.h"

namespace consilium::v1 {
class SessionKey;
class Masking;
class KeyAgreement;
}  // namespace consilium::v1

/// Conversions that messages of both directions share; used only by the other conversions. Sizes are checked before
/// anything is copied. The bytes of a step of secure aggregation are left to common/secagg to interpret.
namespace consilium::wire {

/// Builds the error of a field: "{field}: expected {expected}, found {found}".
[[nodiscard]] tl::unexpected<Error> malformed(std::string_view field, std::string_view expected,
                                              std::string_view found);
/// Checks that a field has 1 to `most` bytes.
Result<void> check_size(std::string_view bytes, std::size_t most, std::string_view field);

/// Reads the session that a message refers to. Fails with kInvalidArgument if it is missing.
Result<job::SessionKey> key_of(bool present, const v1::SessionKey& key, std::string_view message);
Result<Masking> masking(const v1::Masking& proto, std::size_t max_bytes);
void write(const Masking& masking, v1::Masking& proto);
Result<KeyAgreement> key_agreement(const v1::KeyAgreement& proto, std::size_t max_bytes);
void write(const KeyAgreement& step, v1::KeyAgreement& proto);
/// Reads the bytes of a signed commit.
Result<std::vector<std::byte>> commit_bytes(const std::string& commit, std::size_t max_bytes, std::string_view field);

}  // namespace consilium::wire
