#include "client/trainer/decode/origin_records.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "client/trainer/protocol/record_reader.h"

namespace consilium::decode {

namespace {

using nlohmann::json;
using trainer::RecordReader;

constexpr std::size_t kMaxAttributeBytes = 256;
constexpr double kMostPlace = 1e9;
constexpr std::uint32_t kMostCode = 32767;

/// Returns 0x00100020 as "00100020".
std::string tag_text(std::uint32_t tag) { return fmt::format("{:08X}", tag); }

tl::unexpected<Error> bad_origin(std::string what) {
  return fail(ErrorCode::kDataLoss, "decoder protocol: decoded.origin: " + std::move(what));
}

template <std::size_t N>
void take_exactly(RecordReader& reader, std::string_view key, std::array<double, N>& to) {
  const std::vector<double> values = reader.numbers(key, N, -kMostPlace, kMostPlace);
  if (values.size() != N) return reader.refuse(key, fmt::format("{} numbers", N));
  std::copy(values.begin(), values.end(), to.begin());
}

/// Returns a number that JSON can hold and the trainer accepts; any other becomes 0.
double plain(double value) { return std::isfinite(value) && std::abs(value) <= kMostPlace ? value : 0.0; }

template <std::size_t N>
json plain_list(const std::array<double, N>& values) {
  json list = json::array();
  for (const double value : values) list.push_back(plain(value));
  return list;
}

json record_of(const data::NiftiSpace& space) {
  return {{"format", "nifti"},
          {"version", space.version},
          {"size", space.size},
          {"world_axis", space.world_axis},
          {"reversed", json::array({int{space.reversed[0]}, int{space.reversed[1]}, int{space.reversed[2]}})},
          {"qform_code", space.qform_code},
          {"sform_code", space.sform_code},
          {"units", space.units},
          {"pixdim", plain_list(space.pixdim)},
          {"quaternion", plain_list(space.quaternion)},
          {"sform", plain_list(space.sform)}};
}

json record_of(const data::DicomSource& source) {
  json frames = json::array(), attributes = json::object();
  for (const auto& [tag, text] : source.attributes) attributes[tag_text(tag)] = text;
  for (const data::DicomSource::Frame& frame : source.frames) {
    json one = json::array({frame.number});
    for (std::size_t axis = 0; frame.position && axis < 3; ++axis) one.push_back((*frame.position)[axis]);
    frames.push_back(std::move(one));
  }
  return {{"format", "dicom"},
          {"attributes", std::move(attributes)},
          {"frames", std::move(frames)},
          {"orientation", source.orientation ? json(*source.orientation) : json::array()}};
}

json record_of(const data::PlainFile& /*plain*/) { return {{"format", "plain"}}; }

Result<data::FileOrigin> parse_nifti(const json& record) {
  RecordReader reader(record, "decoded.origin");
  reader.text("format", kMaxAttributeBytes);
  data::NiftiSpace space;
  space.version = static_cast<std::uint32_t>(reader.integer("version", 1, 2));
  const auto size = reader.integers("size", 3), axes = reader.integers("world_axis", 3),
             reversed = reader.integers("reversed", 3);
  space.qform_code = static_cast<std::uint32_t>(reader.integer("qform_code", 0, kMostCode));
  space.sform_code = static_cast<std::uint32_t>(reader.integer("sform_code", 0, kMostCode));
  space.units = static_cast<std::uint32_t>(reader.integer("units", 0, 255));
  take_exactly(reader, "pixdim", space.pixdim);
  take_exactly(reader, "quaternion", space.quaternion);
  take_exactly(reader, "sform", space.sform);
  CONSILIUM_TRY(reader.finish());
  if (size.size() != 3 || axes.size() != 3 || reversed.size() != 3) return bad_origin("expected three axes");
  std::array<bool, 3> seen{};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    if (size[axis] < 1 || size[axis] > INT32_MAX || axes[axis] > 2 || reversed[axis] > 1 ||
        std::exchange(seen[axes[axis]], true))
      return bad_origin("expected three axes, each once");
    space.size[axis] = static_cast<std::int64_t>(size[axis]);
    space.world_axis[axis] = static_cast<std::uint32_t>(axes[axis]);
    space.reversed[axis] = reversed[axis] == 1;
  }
  return data::FileOrigin(space);
}

Result<void> parse_attributes(const json& record, data::DicomSource& source) {
  if (!record.is_object() || record.size() > data::kDicomSourceTags.size()) return bad_origin("attributes: too many");
  for (const auto& [tag, value] : record.items()) {
    const auto* const known = std::ranges::find_if(
        data::kDicomSourceTags, [&, &name = tag](std::uint32_t one) { return tag_text(one) == name; });
    const auto* text = value.get_ptr<const std::string*>();
    if (known == data::kDicomSourceTags.end() || text == nullptr || text->empty() || text->size() > kMaxAttributeBytes)
      return bad_origin("attributes: expected texts of known tags");
    if (std::ranges::any_of(*text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      return bad_origin("attributes: a control character");
    source.attributes.emplace(*known, *text);
  }
  return {};
}

Result<void> parse_frames(const json& record, data::DicomSource& source) {
  if (!record.is_array() || record.empty() || record.size() > data::kMaxSourceFrames)
    return bad_origin(fmt::format("frames: expected 1 to {}", data::kMaxSourceFrames));
  for (const json& one : record) {
    if (!one.is_array() || (one.size() != 1 && one.size() != 4) || !one[0].is_number_unsigned() ||
        one[0].get<std::uint64_t>() < 1 || one[0].get<std::uint64_t>() > INT32_MAX)
      return bad_origin("frames: expected a number, or a number and a position");
    data::DicomSource::Frame frame{one[0].get<std::uint32_t>(), std::nullopt};
    for (std::size_t axis = 0; axis + 1 < one.size(); ++axis) {
      const json& place = one[axis + 1];
      const double value = place.is_number() ? place.get<double>() : HUGE_VAL;
      if (!(std::abs(value) <= kMostPlace)) return bad_origin("frames: a position is out of range");
      if (!frame.position) frame.position.emplace();
      (*frame.position)[axis] = value;
    }
    source.frames.push_back(frame);
  }
  return {};
}

Result<data::FileOrigin> parse_dicom(const json& record) {
  RecordReader reader(record, "decoded.origin");
  reader.text("format", kMaxAttributeBytes);
  const json* attributes = reader.member("attributes");
  const json* frames = reader.member("frames");
  const std::vector<double> orientation = reader.numbers("orientation", 6, -2.0, 2.0);
  CONSILIUM_TRY(reader.finish());
  data::DicomSource source;
  CONSILIUM_TRY(parse_attributes(*attributes, source));
  CONSILIUM_TRY(parse_frames(*frames, source));
  if (orientation.size() == 6) {
    std::copy(orientation.begin(), orientation.end(), source.orientation.emplace().begin());
  } else if (!orientation.empty()) {
    return bad_origin("orientation: expected six numbers, or none");
  }
  return data::FileOrigin(std::move(source));
}

}  // namespace

json origin_record(const data::FileOrigin& origin) {
  return std::visit([](const auto& one) { return record_of(one); }, origin);
}

Result<data::FileOrigin> parse_origin(const json& record) {
  const auto* format =
      record.is_object() && record.contains("format") ? record.at("format").get_ptr<const std::string*>() : nullptr;
  if (format == nullptr) return bad_origin("expected an object with a format");
  if (*format == "nifti") return parse_nifti(record);
  if (*format == "dicom") return parse_dicom(record);
  if (*format == "plain" && record.size() == 1) return data::FileOrigin(data::PlainFile{});
  return bad_origin("an unknown format");
}

bool is_origin_of(const data::FileOrigin& origin, const std::vector<std::int64_t>& shape) {
  if (const auto* space = std::get_if<data::NiftiSpace>(&origin)) {
    bool same = shape.size() == 4;  // channels, depth, height, width
    for (std::size_t axis = 0; same && axis < 3; ++axis) same = space->size[axis] == shape[3 - space->world_axis[axis]];
    return same;
  }
  const auto* source = std::get_if<data::DicomSource>(&origin);
  return source == nullptr || std::cmp_equal(source->frames.size(), shape.size() == 4 ? shape[1] : 1);
}

}  // namespace consilium::decode
