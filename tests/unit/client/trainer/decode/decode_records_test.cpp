#include "client/trainer/decode/decode_records.h"

#include <nlohmann/json.hpp>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::decode;

namespace {

data::DecodedImage image() {
  data::DecodedImage image;
  image.shape = {1, 3, 2, 2};
  image.pixels = std::vector<std::int16_t>(12);
  image.spacing = {2.5, 0.5, 0.25};
  image.has_spacing = true;
  image.affine[3] = -7.125;
  image.has_position = true;
  image.window = {-10.5, 90.0};
  image.tags = {"patient", "study", "series", "object", "MR"};
  return image;
}

/// Returns the record of an image with one member changed.
std::string changed(const std::string& key, const nlohmann::json& value) {
  auto record = nlohmann::json::parse(encode(Result<data::DecodedImage>(image())));
  record[key] = value;
  return record.dump();
}

}  // namespace

TEST_CASE("an image's header comes back as it was sent") {
  const auto reply = parse_decode_reply(encode(Result<data::DecodedImage>(image())), {});
  REQUIRE(reply);
  const auto& header = std::get<DecodedHeader>(*reply);
  CHECK(header.element == Element::kInt16);
  CHECK(header.image.shape == image().shape);
  CHECK(header.image.spacing == image().spacing);
  CHECK(header.image.affine == image().affine);
  CHECK(header.image.tags == image().tags);
  CHECK(header.image.window == image().window);
  CHECK(header.image.has_spacing);
  CHECK(header.image.has_position);
}

TEST_CASE("what a mask repeats of its file comes back as it was sent, where it was asked for") {
  data::DecodedImage sent = image();
  data::NiftiSpace space;
  space.version = 2;
  space.size = {2, 3, 2};
  space.world_axis = {0, 2, 1};
  space.reversed = {true, false, true};
  space.sform = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12.125};
  data::DicomSource source;
  source.attributes = {{0x00100010, "M\u00fcller^Anna"}, {0x0020000D, "1.2"}};
  source.frames = {{3, std::array{1.0, 2.0, -3.5}, {}}, {1, std::nullopt, {}}, {2, std::nullopt, {}}};
  source.orientation = {1, 0, 0, 0, 1, 0};
  for (const data::FileOrigin& origin : {data::FileOrigin(space), data::FileOrigin(source), data::FileOrigin()}) {
    sent.origin = origin;
    const std::string record = encode(Result<data::DecodedImage>(sent));
    const auto reply = parse_decode_reply(record, {.origin = true});
    REQUIRE(reply);
    CHECK(std::get<DecodedHeader>(*reply).image.origin == sent.origin);
    CHECK_FALSE(parse_decode_reply(record, {}));
  }
}

TEST_CASE("a trainer refuses an origin that no file has") {
  const auto refused = [](const data::FileOrigin& origin, const std::string& key, const nlohmann::json& value) {
    data::DecodedImage sent = image();
    sent.origin = origin;
    auto record = nlohmann::json::parse(encode(Result<data::DecodedImage>(sent)));
    if (!key.empty()) record["origin"][key] = value;
    return !parse_decode_reply(record.dump(), {.origin = true});
  };
  data::NiftiSpace space;
  space.size = {2, 2, 3};
  data::DicomSource source;
  source.frames.resize(3);
  using nlohmann::json;
  CHECK_FALSE(refused(space, "", nullptr));
  CHECK_FALSE(refused(source, "", nullptr));
  for (const auto& [key, value] : {std::pair<std::string, json>{"size", {2, 2, 4}},
                                   {"size", {2, 2}},
                                   {"size", {2, -2, 3}},
                                   {"version", 3},
                                   {"world_axis", {0, 0, 2}},
                                   {"world_axis", {0, 1, 3}},
                                   {"reversed", {0, 1, 2}},
                                   {"sform", {1, 2}},
                                   {"pixdim", {1, 1, 1, nullptr}},
                                   {"quaternion", {1e12, 0, 0, 0, 0, 0}},
                                   {"more", 1},
                                   {"format", "analyze"}}) {
    CAPTURE(key, value.dump());
    CHECK(refused(space, key, value));
  }
  for (const auto& [key, value] : {std::pair<std::string, json>{"attributes", {{"00100010", "a\x1b[31m"}}},
                                   {"attributes", {{"00104000", "words"}}},
                                   {"attributes", {{"00100010", std::string(257, 'a')}}},
                                   {"attributes", {{"00100010", 5}}},
                                   {"attributes", 5},
                                   {"frames", json::array({json::array({1})})},
                                   {"frames", json::array({{1}, {1}, {0}})},
                                   {"frames", json::array({{1}, {1}, {1, 2.0}})},
                                   {"frames", json::array({{1}, {1}, {1, 0.0, nullptr, 0.0}})},
                                   {"frames", json::array()},
                                   {"orientation", {1, 0, 0}},
                                   {"orientation", {9, 0, 0, 0, 1, 0}}}) {
    CAPTURE(key, value.dump());
    CHECK(refused(source, key, value));
  }
  CHECK(refused(data::PlainFile{}, "more", 1));
}

TEST_CASE("requests and the parent's answers come back as they were sent") {
  const DecodeRequest request{{.header_only = true, .labels = true, .origin = true, .max_bytes = 77}, 5};
  CHECK(parse_decode_request(encode(request)).value() == request);
  for (const ParentRequest& one : {ParentRequest(StartWorker{}), ParentRequest(EndWorker{7})}) {
    CHECK(parse_parent_request(encode(one)).value() == one);
  }
  CHECK(std::get<WorkerStarted>(parse_parent_reply(encode(ParentReply(WorkerStarted{3}))).value()) == WorkerStarted{3});
  const WorkerEnded ended{3, 11, 0};
  CHECK(std::get<WorkerEnded>(parse_parent_reply(encode(ParentReply(ended))).value()) == ended);
}

TEST_CASE("a trainer refuses a header that no image has, or beyond its limit") {
  CHECK(parse_decode_reply(changed("spacing", {1, 1, 1}), {}));
  CHECK_FALSE(parse_decode_reply(changed("shape", {1, 2}), {}));
  CHECK_FALSE(parse_decode_reply(changed("shape", {1, 0, 2}), {}));
  CHECK_FALSE(parse_decode_reply(changed("shape", {1, -1, 2}), {}));
  CHECK_FALSE(parse_decode_reply(changed("shape", {1ULL << 40, 1ULL << 40, 1ULL << 40}), {}));
  CHECK_FALSE(parse_decode_reply(changed("shape", {1, 100, 100}), {.max_bytes = 10'000}));
  CHECK_FALSE(parse_decode_reply(changed("element", "float64"), {}));
  CHECK_FALSE(parse_decode_reply(changed("spacing", {1, 1}), {}));
  CHECK_FALSE(parse_decode_reply(changed("spacing", {1, 1, nullptr}), {}));
  CHECK_FALSE(parse_decode_reply(changed("affine", {1}), {}));
  CHECK_FALSE(parse_decode_reply(changed("window", {1}), {}));
  CHECK_FALSE(parse_decode_reply(changed("tags", 5), {}));
  CHECK_FALSE(parse_decode_reply(changed("more", 5), {}));
  CHECK_FALSE(parse_decode_reply(changed("type", "trained"), {}));
  CHECK_FALSE(parse_decode_reply("{}", {}));
  CHECK_FALSE(parse_decode_reply("[1]", {}));
}

TEST_CASE("an error's words can't write into a terminal") {
  const Error hostile{ErrorCode::kInvalidArgument, "a\x1b[31mb\nc"};
  const auto reply = parse_decode_reply(encode(Result<data::DecodedImage>(fail(hostile))), {});
  REQUIRE(reply);
  CHECK(std::get<Error>(*reply).message == "a?[31mb?c");
}

TEST_CASE("a decoder refuses requests out of bounds") {
  CHECK_FALSE(parse_decode_request(
      R"({"type":"decode","header_only":false,"labels":false,"origin":false,"max_bytes":0,"cpu_seconds":1})"));
  CHECK_FALSE(parse_decode_request(
      R"({"type":"decode","header_only":false,"labels":false,"origin":false,"max_bytes":1,"cpu_seconds":0})"));
  CHECK_FALSE(parse_parent_request(R"({"type":"end"})"));
  CHECK_FALSE(parse_parent_request(R"({"type":"fork"})"));
}
