#include "client/trainer/decode/decode_records.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

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

/// A record of an image with one member changed.
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

TEST_CASE("requests and the parent's answers come back as they were sent") {
  const DecodeRequest request{{.header_only = true, .labels = true, .max_bytes = 77}, 5};
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
  CHECK_FALSE(
      parse_decode_request(R"({"type":"decode","header_only":false,"labels":false,"max_bytes":0,"cpu_seconds":1})"));
  CHECK_FALSE(
      parse_decode_request(R"({"type":"decode","header_only":false,"labels":false,"max_bytes":1,"cpu_seconds":0})"));
  CHECK_FALSE(parse_parent_request(R"({"type":"end"})"));
  CHECK_FALSE(parse_parent_request(R"({"type":"fork"})"));
}
