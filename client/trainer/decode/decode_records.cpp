#include "client/trainer/decode/decode_records.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/trainer/decode/origin_records.h"
#include "client/trainer/protocol/record_limits.h"
#include "client/trainer/protocol/record_reader.h"

namespace consilium::decode {

namespace {

using nlohmann::json;
using trainer::RecordReader;

constexpr std::size_t kMaxTagBytes = 256;
constexpr double kMaxMillimetres = 1e9;
constexpr double kMaxValue = 1e300;
constexpr std::uint64_t kMaxRecordSide = 0x7fffffff;
constexpr std::uint64_t kMaxSignal = 64;
constexpr std::array kElements{Element::kUint8, Element::kUint16, Element::kInt16, Element::kInt32, Element::kFloat32};
/// The error codes that a decoder's answer may have.
constexpr std::array kCodes{ErrorCode::kInvalidArgument, ErrorCode::kResourceExhausted, ErrorCode::kInternal};

tl::unexpected<Error> out_of_turn(std::string what) {
  return fail(ErrorCode::kDataLoss, "decoder protocol: " + std::move(what));
}

/// Keeps only printable characters, so that a file can't control a terminal through its error.
std::string printable(std::string_view text) {
  std::string clean(text.substr(0, trainer::kMaxMessageBytes));
  std::ranges::replace_if(
      clean, [](char c) { return c < 0x20 || c == 0x7f; }, '?');
  return clean.empty() ? "failed" : clean;
}

json failed(const Error& error) {
  const auto known = std::ranges::find(kCodes, error.code);
  return {{"type", "failed"},
          {"code", name_of(known == kCodes.end() ? ErrorCode::kInvalidArgument : error.code)},
          {"message", printable(error.message)}};
}

Result<Error> parse_failed(const json& object) {
  RecordReader reader(object, "failed");
  reader.text("type", trainer::kMaxDeviceBytes);
  const std::string code = reader.text("code", trainer::kMaxDeviceBytes);
  const std::string message = reader.text("message", trainer::kMaxMessageBytes);
  CONSILIUM_TRY(reader.finish());
  for (const ErrorCode known : kCodes) {
    if (code == name_of(known)) return Error{known, printable(message)};
  }
  return out_of_turn("failed.code: an unknown code");
}

Result<std::pair<json, std::string>> parse_typed(std::string_view text) {
  CONSILIUM_ASSIGN(json object, trainer::parse_record(text));
  const auto type = object.find("type");
  if (type == object.end() || !type->is_string()) return out_of_turn("a record without a type");
  std::string name = type->get<std::string>();
  return std::pair(std::move(object), std::move(name));
}

json tags_of(const data::ImageTags& tags) {
  return {{"patient_id", tags.patient_id},
          {"study_uid", tags.study_uid},
          {"series_uid", tags.series_uid},
          {"sop_uid", tags.sop_uid},
          {"modality", tags.modality}};
}

json decoded(const data::DecodedImage& image) {
  json record{{"type", "decoded"},
              {"shape", image.shape},
              {"element", name_of(element_of(image.pixels))},
              {"spacing", image.spacing},
              {"has_spacing", image.has_spacing},
              {"affine", image.affine},
              {"has_position", image.has_position},
              {"window", image.window ? json(*image.window) : json::array()},
              {"tags", tags_of(image.tags)}};
  if (image.origin) record["origin"] = origin_record(*image.origin);
  return record;
}

Result<data::ImageTags> parse_tags(const json& object) {
  RecordReader reader(object, "decoded.tags");
  data::ImageTags tags;
  tags.patient_id = reader.text("patient_id", kMaxTagBytes, true);
  tags.study_uid = reader.text("study_uid", kMaxTagBytes, true);
  tags.series_uid = reader.text("series_uid", kMaxTagBytes, true);
  tags.sop_uid = reader.text("sop_uid", kMaxTagBytes, true);
  tags.modality = reader.text("modality", kMaxTagBytes, true);
  CONSILIUM_TRY(reader.finish());
  return tags;
}

template <std::size_t N>
void take_numbers(RecordReader& reader, std::string_view key, double least, std::array<double, N>& numbers) {
  const std::vector<double> values = reader.numbers(key, N, least, kMaxMillimetres);
  if (values.size() != N) {
    reader.refuse(key, fmt::format("{} numbers", N));
  } else {
    std::copy(values.begin(), values.end(), numbers.begin());
  }
}

Result<DecodedHeader> parse_decoded(const json& object, const data::DecodeOptions& options) {
  RecordReader reader(object, "decoded");
  DecodedHeader header;
  reader.text("type", trainer::kMaxDeviceBytes);
  for (const std::uint64_t side : reader.integers("shape", 4)) {
    header.image.shape.push_back(static_cast<std::int64_t>(std::min(side, kMaxRecordSide + 1)));
  }
  const std::string element = reader.text("element", trainer::kMaxDeviceBytes);
  take_numbers(reader, "spacing", 0.0, header.image.spacing);
  header.image.has_spacing = reader.boolean("has_spacing");
  take_numbers(reader, "affine", -kMaxMillimetres, header.image.affine);
  header.image.has_position = reader.boolean("has_position");
  const std::vector<double> window = reader.numbers("window", 2, -kMaxValue, kMaxValue);
  if (window.size() == 1) reader.refuse("window", "none or two numbers");
  if (window.size() == 2) header.image.window = {window[0], window[1]};
  const json* tags = reader.member("tags");
  const json* origin = options.origin ? reader.member("origin") : nullptr;
  CONSILIUM_TRY(reader.finish());
  if (!tags->is_object()) return out_of_turn("decoded.tags: expected an object");
  CONSILIUM_ASSIGN(header.image.tags, parse_tags(*tags));
  if (origin != nullptr) {
    CONSILIUM_ASSIGN(header.image.origin, parse_origin(*origin));
    if (!is_origin_of(*header.image.origin, header.image.shape))
      return out_of_turn("decoded.origin: belongs to another image");
  }
  const auto known = std::ranges::find_if(kElements, [&](Element one) { return name_of(one) == element; });
  if (known == kElements.end()) return out_of_turn("decoded.element: an unknown type");
  header.element = *known;
  CONSILIUM_TRY(checked_count(header.image.shape, options.header_only ? 1 : bytes_of(header.element), options));
  return header;
}

}  // namespace

bool DecodeRequest::operator==(const DecodeRequest& other) const {
  return options.header_only == other.options.header_only && options.labels == other.options.labels &&
         options.origin == other.options.origin && options.max_bytes == other.options.max_bytes &&
         cpu_seconds == other.cpu_seconds;
}

std::string encode(const DecodeRequest& request) {
  return json{{"type", "decode"},
              {"header_only", request.options.header_only},
              {"labels", request.options.labels},
              {"origin", request.options.origin},
              {"max_bytes", request.options.max_bytes},
              {"cpu_seconds", request.cpu_seconds}}
      .dump();
}

std::string encode(const ParentRequest& request) {
  if (const auto* end = std::get_if<EndWorker>(&request)) return json{{"type", "end"}, {"worker", end->worker}}.dump();
  return json{{"type", "start"}}.dump();
}

std::string encode(const ParentReply& reply) {
  if (const auto* started = std::get_if<WorkerStarted>(&reply)) {
    return json{{"type", "started"}, {"worker", started->worker}}.dump();
  }
  if (const auto* ended = std::get_if<WorkerEnded>(&reply)) {
    return json{{"type", "ended"}, {"worker", ended->worker}, {"signal", ended->signal}, {"status", ended->status}}
        .dump();
  }
  return failed(std::get<Error>(reply)).dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string encode(const Result<data::DecodedImage>& outcome) {
  const json record = outcome ? decoded(*outcome) : failed(outcome.error());
  return record.dump(-1, ' ', false, json::error_handler_t::replace);
}

Result<DecodeRequest> parse_decode_request(std::string_view text) {
  CONSILIUM_ASSIGN(const auto record, parse_typed(text));
  if (record.second != "decode") return out_of_turn("expected 'decode'");
  RecordReader reader(record.first, "decode");
  DecodeRequest request;
  reader.text("type", trainer::kMaxDeviceBytes);
  request.options.header_only = reader.boolean("header_only");
  request.options.labels = reader.boolean("labels");
  request.options.origin = reader.boolean("origin");
  request.options.max_bytes = reader.integer("max_bytes", 1, kMaxImageBytes);
  request.cpu_seconds = static_cast<std::uint32_t>(reader.integer("cpu_seconds", 1, kMaxCpuSeconds));
  CONSILIUM_TRY(reader.finish());
  return request;
}

Result<ParentRequest> parse_parent_request(std::string_view text) {
  CONSILIUM_ASSIGN(const auto record, parse_typed(text));
  RecordReader reader(record.first, "decoder");
  reader.text("type", trainer::kMaxDeviceBytes);
  ParentRequest request = StartWorker{};
  if (record.second == "end") {
    request = EndWorker{reader.integer("worker", 0, UINT32_MAX)};
  } else if (record.second != "start") {
    return out_of_turn("expected 'start' or 'end'");
  }
  CONSILIUM_TRY(reader.finish());
  return request;
}

Result<ParentReply> parse_parent_reply(std::string_view text) {
  CONSILIUM_ASSIGN(const auto record, parse_typed(text));
  if (record.second == "failed") {
    CONSILIUM_ASSIGN(Error error, parse_failed(record.first));
    return ParentReply(std::move(error));
  }
  RecordReader reader(record.first, "decoder");
  reader.text("type", trainer::kMaxDeviceBytes);
  const std::uint64_t worker = reader.integer("worker", 0, UINT32_MAX);
  ParentReply reply = WorkerStarted{worker};
  if (record.second == "ended") {
    const std::uint64_t signal = reader.integer("signal", 0, kMaxSignal);
    reply = WorkerEnded{worker, signal, reader.integer("status", 0, 255)};
  } else if (record.second != "started") {
    return out_of_turn("expected 'started', 'ended' or 'failed'");
  }
  CONSILIUM_TRY(reader.finish());
  return reply;
}

Result<DecodeReply> parse_decode_reply(std::string_view text, const data::DecodeOptions& options) {
  CONSILIUM_ASSIGN(const auto record, parse_typed(text));
  if (record.second == "failed") {
    CONSILIUM_ASSIGN(Error error, parse_failed(record.first));
    return DecodeReply(std::move(error));
  }
  if (record.second != "decoded") return out_of_turn("expected 'decoded' or 'failed'");
  CONSILIUM_ASSIGN(DecodedHeader header, parse_decoded(record.first, options));
  return DecodeReply(std::move(header));
}

}  // namespace consilium::decode
