#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/pixel_values.h"
#include "common/error/error.h"

/// The records between a trainer and its decoder (docs/formats/decoder_protocol.md). Each end takes the other's bytes
/// for hostile.
namespace consilium::decode {

inline constexpr std::uint64_t kMaxImageBytes = std::uint64_t{1} << 40;
inline constexpr std::uint32_t kMaxCpuSeconds = 86'400;
inline constexpr std::uint64_t kMaxWorkers = 256;

/// Asks a worker to decode the file whose descriptor comes beside the record.
struct DecodeRequest {
  data::DecodeOptions options;
  std::uint32_t cpu_seconds = 60;
  bool operator==(const DecodeRequest& other) const;
};

/// A worker's answer: an image without its pixels. Those follow the record where the request wasn't for the header
/// alone: as many elements as the shape's product, little-endian.
struct DecodedHeader {
  data::DecodedImage image;
  Element element = Element::kUint8;
};

/// Asks the decoder's parent process for a worker; one end of its socket comes beside the answer.
struct StartWorker {
  bool operator==(const StartWorker&) const = default;
};
/// Asks the parent to end a worker, if it hasn't ended by itself.
struct EndWorker {
  std::uint64_t worker = 0;
  bool operator==(const EndWorker&) const = default;
};
using ParentRequest = std::variant<StartWorker, EndWorker>;

struct WorkerStarted {
  std::uint64_t worker = 0;
  bool operator==(const WorkerStarted&) const = default;
};
/// How a worker ended: by a signal, or (signal 0) by its own exit.
struct WorkerEnded {
  std::uint64_t worker = 0;
  std::uint64_t signal = 0;
  std::uint64_t status = 0;
  bool operator==(const WorkerEnded&) const = default;
};
using ParentReply = std::variant<WorkerStarted, WorkerEnded, Error>;

[[nodiscard]] std::string encode(const DecodeRequest& request);
[[nodiscard]] std::string encode(const ParentRequest& request);
[[nodiscard]] std::string encode(const ParentReply& reply);
/// Encodes what stands before an image's pixels, or the reason why there is none.
[[nodiscard]] std::string encode(const Result<data::DecodedImage>& outcome);

/// Parses a record. Fails with kDataLoss where the peer breaks the protocol.
Result<DecodeRequest> parse_decode_request(std::string_view json);
Result<ParentRequest> parse_parent_request(std::string_view json);
Result<ParentReply> parse_parent_reply(std::string_view json);

/// What a worker answered: the header of an image, or its error.
using DecodeReply = std::variant<DecodedHeader, Error>;
/// @param options  of the request: the image may not be larger than they allow
Result<DecodeReply> parse_decode_reply(std::string_view json, const data::DecodeOptions& options);

}  // namespace consilium::decode
