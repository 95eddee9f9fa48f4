// Malformed records, derived from good ones: every key left out, renamed, repeated, and given every wrong kind of
// value.

#include <nlohmann/json.hpp>
#include <vector>

#include "client/trainer/protocol/messages.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::trainer;
using nlohmann::json;

namespace {

std::vector<std::string> good_requests() {
  Prepare prepare;
  prepare.model.name = "mlp_2nn";
  prepare.model.input = {784};
  prepare.model.classes = 10;
  prepare.data = {"npz", "/data/a.npz"};
  prepare.normalize = job::Normalization{{0.5}, {0.5}};
  prepare.parameter_count = 199'210;
  prepare.atlas = AtlasFile{"/maps/a.nii", {}, 1};
  Train train;
  train.site = "north";
  train.learning_rates = {{"fc", 0.5}};
  return {encode(Request(prepare)),
          encode(Request(train)),
          encode(Request(Evaluate{})),
          encode(Request(EvaluatePatients{})),
          encode(Request(Look{{"npz", "/data/chest.npz"}})),
          encode(Request(Cancel{}))};
}

std::vector<std::string> good_replies() {
  return {encode(Reply(Hello{1, "t", "cpu", true})),
          encode(Reply(Prepared{2, 0, 0, {1, 1}})),
          encode(Reply(Progress{1, 2})),
          encode(Reply(Trained{0.5, 1, false, 1.0})),
          encode(Reply(Evaluated{1.0})),
          encode(Reply(EvaluatedPatients{1.0, 5})),
          encode(Reply(Failed{ErrorCode::kInternal, "x"}))};
}

/// Returns true if a value of one kind can replace one of another: null for no normalisation, whole numbers for
/// fractions.
bool may_stand(const std::string& key, const json& good, const json& other) {
  if ((key == "normalize" || key == "atlas") && other.is_null()) return true;
  if (key == "mean_loss" && other == -1) return true;
  return good.is_number_float() && other.is_number() && other >= 0.0;
}

/// Returns every record that differs from `good` in one member of one of its objects.
void mutate(const json& whole, json::json_pointer at, std::vector<std::string>& bad) {
  const json object = whole.at(at);
  for (const auto& [key, value] : object.items()) {
    json without = whole;
    without.at(at).erase(key);
    bad.push_back(without.dump());
    json renamed = without;
    renamed.at(at)[key + "_"] = value;
    bad.push_back(renamed.dump());
    json added = whole;
    added.at(at)["extra_" + key] = value;
    bad.push_back(added.dump());
    for (const json& other : {json(nullptr), json("word"), json(-1), json(json::array({json::object()})),
                              json({{"a", 1}}), json(json::array({1, "x"})), json(-1e300)}) {
      if (value.type() == other.type() && value.is_string() &&
          (key == "site" || key == "path" || key == "software" || key == "device" || key == "message"))
        continue;
      if (may_stand(key, value, other)) continue;
      json wrong = whole;
      wrong.at(at)[key] = other;
      bad.push_back(wrong.dump());
    }
    if (value.is_object()) mutate(whole, at / key, bad);
  }
}

std::vector<std::string> mutations(const std::vector<std::string>& good) {
  std::vector<std::string> bad;
  for (const std::string& text : good) {
    mutate(json::parse(text), json::json_pointer(), bad);
    for (std::size_t size = 0; size < text.size(); size += 1 + text.size() / 16) bad.push_back(text.substr(0, size));
    bad.push_back("[" + text + "]");
    bad.push_back(text + text);
    bad.push_back("{\"type\":\"hello\"," + text.substr(1));
  }
  return bad;
}

std::vector<std::string> shapeless() {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "{\"a\":";
  std::string brackets(500'000, '[');
  return {
      "",
      "{}",
      "null",
      "0",
      "\"type\"",
      "{\"type\":1}",
      "{\"type\":\"\"}",
      "[]",
      "{",
      "}",
      "{\"type\":",
      "{\"type\":\"bye\"}",
      deep,
      brackets,
      "\xff\xfe",
      std::string(3, '\0'),
      "{\"type\":\"evaluated\",\"seconds\":1e999}",
      "{\"type\":\"evaluated\",\"seconds\":NaN}",
      "{\"type\":\"evaluated\",\"seconds\":Infinity}",
      "{\"type\":\"evaluated\",\"seconds\":-0.001}",
      "{\"type\":\"evaluated\",\"seconds\":\"1\"}",
      "{\"type\":\"evaluated\",\"seconds\":1,\"seconds\":1}",
      "{\"type\":\"cancel\",\"type\":\"cancel\"}",
      "{\"type\":\"progress\",\"steps_done\":3,\"steps_total\":2}",
      "{\"type\":\"progress\",\"steps_done\":18446744073709551616,\"steps_total\":2}",
      "{\"type\":\"prepared\",\"train_examples\":1,\"val_examples\":0,\"test_examples\":0,\"class_examples\":["
      "18446744073709551615,2]}",
      "{\"type\":\"prepared\",\"train_examples\":3,\"val_examples\":0,\"test_examples\":0,\"class_examples\":[1,4]}",
      "{\"type\":\"failed\",\"code\":\"ok\",\"message\":\"x\"}",
      "{\"type\":\"evaluated\",\"seconds\":1}" + std::string(kMaxRecordBytes, ' ')};
}

}  // namespace

TEST_CASE("none of several hundred malformed requests is accepted") {
  auto bad = mutations(good_requests());
  for (const std::string& text : shapeless()) bad.push_back(text);
  std::size_t refused = 0;
  for (const std::string& text : bad) {
    const auto decoded = decode_request(text);
    if (decoded.has_value() && text != "{\"type\":\"cancel\"}") FAIL_CHECK("accepted " << text.substr(0, 300));
    if (!decoded.has_value()) CHECK(decoded.error().code == ErrorCode::kDataLoss);
    refused += decoded.has_value() ? 0 : 1;
  }
  CHECK(refused >= 200);
}

TEST_CASE("none of several hundred malformed replies is accepted") {
  auto bad = mutations(good_replies());
  for (const std::string& text : shapeless()) bad.push_back(text);
  std::size_t refused = 0;
  for (const std::string& text : bad) {
    const auto decoded = decode_reply(text);
    if (decoded.has_value()) FAIL_CHECK("accepted " << text.substr(0, 300));
    if (!decoded.has_value()) CHECK(decoded.error().code == ErrorCode::kDataLoss);
    refused += decoded.has_value() ? 0 : 1;
  }
  CHECK(refused >= 200);
}

TEST_CASE("bytes flipped anywhere never crash the reader") {
  std::vector<std::string> good = good_requests();
  for (const std::string& text : good_replies()) good.push_back(text);
  std::uint32_t state = 1;
  for (const std::string& text : good) {
    for (int round = 0; round < 300; ++round) {
      std::string bad = text;
      state = state * 1664525U + 1013904223U;
      bad[(state >> 8) % bad.size()] = static_cast<char>(state >> 24);
      (void)decode_request(bad);
      (void)decode_reply(bad);
    }
  }
}
