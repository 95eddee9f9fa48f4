#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/wire/messages.h"

namespace consilium::v1 {
class SessionKey;
class JobSignature;
class SiteMessage;
class CoordinatorMessage;
}  // namespace consilium::v1

/// Conversions between protobuf messages and plain values. to_proto() cuts and cleans texts to the bounds of limits.h,
/// so that a peer never refuses what we send. from_proto() accepts untrusted messages, and refuses anything out of
/// bounds with kInvalidArgument, naming the field.
namespace consilium::wire {

[[nodiscard]] v1::SessionKey to_proto(const job::SessionKey& key);
[[nodiscard]] v1::JobSignature to_proto(const job::JobSignature& signature);
[[nodiscard]] v1::SiteMessage to_proto(const SiteMessage& message);
[[nodiscard]] v1::CoordinatorMessage to_proto(const CoordinatorMessage& message);

Result<job::SessionKey> from_proto(const v1::SessionKey& key);
Result<job::JobSignature> from_proto(const v1::JobSignature& signature);
Result<SiteMessage> from_proto(const v1::SiteMessage& message);
Result<CoordinatorMessage> from_proto(const v1::CoordinatorMessage& message);

/// Returns the digest in a field. Fails with kInvalidArgument if the field doesn't have 32 bytes.
Result<crypto::Digest> digest_from_field(const std::string& bytes, std::string_view field);

/// Checks a name (job id, data set, software): clean text of 1 to kMaxNameBytes bytes.
Result<void> check_name_field(std::string_view value, std::string_view field);
/// Checks a text that may be empty: clean, and at most `max_bytes` long.
Result<void> check_text_field(std::string_view value, std::size_t max_bytes, std::string_view field);

/// Serialise messages as gRPC does on the stream, and parse them. For tests and fuzzers.
[[nodiscard]] std::string encode(const SiteMessage& message);
[[nodiscard]] std::string encode(const CoordinatorMessage& message);
Result<SiteMessage> decode_site_message(std::span<const std::byte> bytes);
Result<CoordinatorMessage> decode_coordinator_message(std::span<const std::byte> bytes);

}  // namespace consilium::wire
