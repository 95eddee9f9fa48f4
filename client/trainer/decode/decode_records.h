#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/pixel_values.h"
#include "common/error/error.h"

/// The records between a trainer and its decoder (docs/formats/decoder_protocol.md). Each side treats the other's bytes
/// as hostile.
namespace consilium::decode {

inline constexpr std::uint64_t kMaxImageBytes = std::uint64_t{1} << 40;
inline constexpr std::uint32_t kMaxCpuSeconds = 86'400;
inline constexpr std::uint64_t kMaxWorkers = 256;

/// Asks a worker to decode a file. The file's descriptor comes with the record.
struct DecodeRequest {
  data::DecodeOptions options;
  std::uint32_t cpu_seconds = 60;
  bool operator==(const DecodeRequest& other) const;
};

/// A worker's answer: an image without its pixels. Unless the request was only for the header, the pixels follow the
/// record: as many elements as the product of the shape, little-endian.
struct DecodedHeader {
  data::DecodedImage image;
  Element element = Element::kUint8;
};

/// Asks the decoder's parent process for a worker. One end of the worker's socket comes with the answer.
struct StartWorker {
  bool operator==(const StartWorker&) const = default;
};
/// Asks the parent to end a worker if it hasn't ended by itself.
struct EndWorker {
  std::uint64_t worker = 0;
  bool operator==(const EndWorker&) const = default;
};
using ParentRequest = std::variant<StartWorker, EndWorker>;

struct WorkerStarted {
  std::uint64_t worker = 0;
  bool operator==(const WorkerStarted&) const = default;
};
/// How a worker ended: by a signal, or (signal 0) by exiting.
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
/// Encodes the header that precedes an image's pixels, or the error if there is no image.
[[nodiscard]] std::string encode(const Result<data::DecodedImage>& outcome);

/// Parses a record. Fails with kDataLoss if the peer violates the protocol.
Result<DecodeRequest> parse_decode_request(std::string_view json);
Result<ParentRequest> parse_parent_request(std::string_view json);
Result<ParentReply> parse_parent_reply(std::string_view json);

/// A worker's answer: the header of an image, or an error.
using DecodeReply = std::variant<DecodedHeader, Error>;
/// @param options  of the request; an image larger than they allow is rejected
Result<DecodeReply> parse_decode_reply(std::string_view json, const data::DecodeOptions& options);

}  // namespace consilium::decode
