#include <nlohmann/json.hpp>

#include "common/job/job_text.h"
#include "tests/catch.h"
#include "tests/unit/common/job/job_fixtures.h"

namespace consilium::job {
namespace {

/// Checks that a text is refused with an error that names the source.
void check_refused(const std::string& text) {
  INFO(text.substr(0, 600));
  const auto job = parse_job(text, "job.yaml");
  REQUIRE_FALSE(job);
  CHECK(job.error().message.starts_with("job.yaml: "));
  CHECK(job.error().message.size() < 700);
}

struct Key {
  std::string written;  ///< key and value as in kSmallJob
  std::vector<std::string> wrong;
};

const std::vector<std::string> kNoCount{
    "0",   "-1",  "1.5", "1e3", "nan", "inf", "4294967296", "99999999999999999999999",
    "two", "'2'", "[2]", "{}",  "0x2", "+2",  "true"};
const std::vector<std::string> kNoShare{"0",     "-0.5", "1.0001", "nan",   ".nan", "inf",
                                        "1e999", "all",  "'0.5'",  "[0.5]", "{}",   "true"};
const std::vector<std::string> kNoName{
    "A",        "a_b",     "a b", "-a", "a-",
    "../a",     "''",      "[a]", "{}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\"a\\n\"", "\xC3\xA9"};
const std::vector<std::string> kNoTime{
    "0s", "10", "m", "-1s", "1.5h", "31d", "99999999999999999999s", "soon", "[10m]", "{}", "18446744073709551615d"};
const std::vector<std::string> kNoClip{"0",   "-16", "15",  "17",   "1e9",  "1e-9",
                                       "nan", "inf", "big", "'16'", "[16]", "{}"};

const std::vector<Key> kKeys{
    {"name: small", kNoName},
    {"dataset: synthetic", kNoName},
    {"mean: 0.5", {"nan", "inf", "1e10", "half", "'0.5'", "[]", "[1, 2]", "{}", "[x]", "[[1]]"}},
    {"std: 0.25", {"0", "-1", "1e-10", "nan", "inf", "half", "'1'", "[]", "[1, 2]", "{}", "[0]"}},
    {"local_epochs: 2", kNoCount},
    {"batch_size: 10", kNoCount},
    {"name: sgd", {"SGD", "sgdm", "1", "[sgd]", "{}", "''"}},
    {"learning_rate: 0.01",
     {"0", "-1", "nan", "inf", "-inf", ".inf", "1e999", "fast", "'0.01'", "[0.01]", "{}", "1e-999", "0x1"}},
    {"momentum: 0.9", {"-0.1", "1", "1.5", "nan", "inf", "much", "'0.9'", "[0.9]", "{}"}},
    {"weight_decay: 0.001", {"-1", "nan", "inf", "1e999", "much", "'1'", "[1]", "{}"}},
    {"name: step", {"steps", "linear", "1", "[step]", "{}"}},
    {"every: 5", kNoCount},
    {"factor: 0.5", kNoShare},
    {"factor: 0.5", {"1e-300"}},
    {"time_limit: 10m", kNoTime},
    {"loss: cross_entropy", {"mse", "1", "[cross_entropy]", "{}"}},
    {"rounds: 20", kNoCount},
    {"sites: [a, b, c]", {"[]", "[a, a]", "[a, B]", "a", "{a: b}", "[[a]]", "[a, '']", "[a, null]", "[a, -]"}},
    {"fraction: 0.5", kNoShare},
    {"minimum_sites: 2", kNoCount},
    {"minimum_sites: 2", {"4", "10001"}},
    {"quorum: 0.75", kNoShare},
    {"deadline: 15m", kNoTime},
    {"name: fedprox", {"fedsgd", "FedAvg", "1", "[fedavg]", "{}", "fedavg"}},
    {"mu: 1.0", {"-1", "nan", "inf", "1e999", "much", "'1'", "[1]", "{}"}},
    {"weighting: cohort", {"equal", "1", "[cohort]", "{}"}},
    {"secure_aggregation: off", {"false", "no", "on", "Off", "0", "[off]", "{}", "required"}},
    {"clip: 16", kNoClip},
    {"buffer_clip: 1024", kNoClip},
    {"every: 1,", {"-1,", "1.5,", "x,", "1000001,", "[1],", "{},"}},
    {"split: test", {"validation", "1", "[test]", "{}"}},
    {"initial_weights: weights.safetensors",
     {"''", "[a]", "{}", "{replace: ['0']}", "{path: [a]}", "{path: x, replace: []}", "{path: x, replace: '0'}",
      "{path: x, replace: ['1']}", "{path: x, replace: ['5']}", "{path: x, replace: ['0', '0']}",
      "{path: x, replace: [[a]]}", "{path: x, replace: {a: b}}", "{path: x, replaced: ['0']}", "{sha256: 12}",
      "{sha256: 12, path: [a]}",
      "{sha256: 1111111111111111111111111111111111111111111111111111111111111111, path: x, replace: ['0']}",
      "\"a\\nb\""}},
    {"seed: 7", {"-1", "1.5", "1e3", "18446744073709551616", "x", "'7'", "[7]", "{}", "nan"}},
    {"input: [8]",
     {"8", "[]", "[0]", "[-1]", "[1.5]", "[8, 8]", "[1, 2, 3, 4, 5]", "[99999999]", "[x]", "{}", "['8']", "null"}},
    {"classes: 4", {"0", "1", "-4", "1.5", "5", "99999999999999999999", "x", "'4'", "[4]", "{}", "null"}},
    {"{linear: 16}",
     {"{linear: 0}", "{linear: -1}", "{linear: 1e3}", "{linear: 99999999999}", "{linear: x}", "{linr: 16}",
      "{linear: 16, relu: 1}", "{}", "[]", "16", "linear", "{linear: null}", "{conv: {channels: 1, kernel: 3}}",
      "{maxpool: 2}", "{dropout: 2}", "{dropout: nan}", "{basic_block: {channels: 2}}"}},
};

/// kSmallJob with masks: a roster, count groups and a number of colluding sites.
const std::string kMaskedJob =
    with(with(with(kSmallJob, "sites: [a, b, c], fraction: 0.5, minimum_sites: 2, quorum: 0.75",
                   "roster: {a: " + std::string(64, '1') + ", b: " + std::string(64, '2') +
                       ", c: " + std::string(64, '3') + "}, count_groups: [[a, b, c]], minimum_sites: 3"),
              ", weighting: cohort", ", weighting: population"),
         "secure_aggregation: off", "secure_aggregation: required, colluding_sites: 1");

const std::vector<Key> kMaskedKeys{
    {"weighting: population", {"cohort", "1"}},
    {"colluding_sites: 1", kNoCount},
    {"colluding_sites: 1", {"2", "128"}},
    {"minimum_sites: 3", {"1", "2", "4"}},
    {"count_groups: [[a, b, c]]",
     {"[]", "[[]]", "[a, b, c]", "[[a, b], [c]]", "[[a, b]]", "[[a, b, c, d]]", "[[a, b, c], [a, b, c]]",
      "[[a, b, c, c]]", "[[[a, b, c]]]", "[[a, b, null]]", "[null]", "{a: b}", "[{a: b}]", "abc", "1"}},
    {"a: 1111111111111111111111111111111111111111111111111111111111111111",
     {"1", "", "null", "[]", "{}", "'" + std::string(63, '1') + "'", std::string(65, '1'), std::string(63, '1') + "g",
      std::string(64, '2'), "0x" + std::string(62, '1'), "\"" + std::string(63, '1') + "\\n\""}},
};

TEST_CASE("a masked job with one wrong value is refused, whatever the value") {
  REQUIRE(parse_job(kMaskedJob, "job.yaml"));
  for (const Key& key : kMaskedKeys) {
    const std::string name = key.written.substr(0, key.written.find(": ") + 2);
    for (const std::string& wrong : key.wrong) check_refused(with(kMaskedJob, key.written, name + wrong));
  }
  for (const char* roster : {"[]", "{}", "[a, b, c]", "abc", "1", "{a: b}"}) {
    const std::size_t at = kMaskedJob.find("roster: ") + 8;
    std::string text = kMaskedJob;
    check_refused(text.replace(at, text.find('}', at) + 1 - at, roster));
  }
  for (const char* name : {"A: ", "a_b: ", "'': ", "d: ", "b: ", "[a]: ", "? : "}) {
    check_refused(with(kMaskedJob, "{a: 1", std::string("{") + name + "1"));
  }
}

TEST_CASE("a masked job cut anywhere, or with one byte changed, is refused or canonical again") {
  const std::string text = canonical_text(*parse_job(kMaskedJob, "job.yaml"));
  for (std::size_t length = 0; length < text.size(); ++length) check_refused(text.substr(0, length));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char byte : {'"', '{', ']', '9', 'a', ',', ':'}) {
      std::string changed = text;
      changed[i] = byte;
      const auto job = parse_job(changed, "job.yaml");
      if (!job) continue;
      const auto again = parse_job(canonical_text(*job), "canonical");
      INFO(changed);
      REQUIRE(again);
      CHECK(*again == *job);
    }
  }
}

TEST_CASE("a job with one wrong value is refused, whatever the value") {
  std::size_t cases = 0;
  for (const Key& key : kKeys) {
    const std::size_t colon = key.written.find(": ");
    const bool layer = key.written.front() == '{';
    for (const std::string& wrong : key.wrong) {
      const std::string changed = layer ? wrong : key.written.substr(0, colon + 2) + wrong;
      const std::string text = with(kSmallJob, key.written, changed);
      check_refused(text);
      ++cases;
    }
  }
  CHECK(cases > 300);
}

TEST_CASE("a job that lacks a required key is refused, and the error names it") {
  const auto job = parse_job(kSmallJob, "job.yaml");
  REQUIRE(job);
  const nlohmann::json whole = nlohmann::json::parse(canonical_text(*job));
  const std::vector<std::string> required{"/name",
                                          "/model",
                                          "/model/classes",
                                          "/model/input",
                                          "/data",
                                          "/data/dataset",
                                          "/data/normalize/mean",
                                          "/data/normalize/std",
                                          "/training",
                                          "/training/optimizer",
                                          "/training/optimizer/name",
                                          "/training/optimizer/learning_rate",
                                          "/training/schedule/name",
                                          "/training/schedule/every",
                                          "/training/schedule/factor",
                                          "/federation",
                                          "/federation/rounds",
                                          "/strategy/name",
                                          "/strategy/mu"};
  for (const std::string& pointer : required) {
    const nlohmann::json::json_pointer at(pointer);
    nlohmann::json lacks = whole;
    lacks[at.parent_pointer()].erase(at.back());
    const auto refused = parse_job(lacks.dump(), "job.yaml");
    INFO(pointer);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find(at.back() + ": ") != std::string::npos);
    lacks[at] = nullptr;
    check_refused(lacks.dump());
  }
}

TEST_CASE("an unknown key is refused wherever it stands") {
  const nlohmann::json whole = nlohmann::json::parse(canonical_text(*parse_job(kSmallJob, "job.yaml")));
  for (const char* section : {"", "/model", "/data", "/data/normalize", "/training", "/training/optimizer",
                              "/training/schedule", "/federation", "/strategy", "/privacy", "/evaluation"}) {
    for (const char* key : {"extra", "Name", "<<", "a.b", "__proto__", "name\n"}) {
      nlohmann::json more = whole;
      more[nlohmann::json::json_pointer(section)][key] = 1;
      check_refused(more.dump());
    }
    nlohmann::json more = whole;
    more[nlohmann::json::json_pointer(section)]["extra"] = 1;
    CHECK_THAT(parse_job(more.dump(), "job.yaml").error().message, Catch::Contains("extra: unknown key"));
  }
}

TEST_CASE("a section of the wrong kind is refused") {
  const nlohmann::json whole = nlohmann::json::parse(canonical_text(*parse_job(kSmallJob, "job.yaml")));
  for (const char* section :
       {"/model", "/model/layers", "/model/input", "/data", "/data/normalize", "/training", "/training/optimizer",
        "/federation", "/federation/sites", "/strategy", "/privacy", "/evaluation"}) {
    for (const nlohmann::json& wrong :
         std::vector<nlohmann::json>{1, "text", true, nlohmann::json::array({1}), nlohmann::json::array({nullptr})}) {
      nlohmann::json changed = whole;
      changed[nlohmann::json::json_pointer(section)] = wrong;
      if (section == std::string("/model/input") && wrong == nlohmann::json::array({1})) continue;
      check_refused(changed.dump());
    }
  }
}

TEST_CASE("keys of one choice are refused beside another") {
  check_refused(with(kSmallJob, "fedprox", "fedavg"));
  check_refused(with(kSmallJob, "name: sgd, learning_rate: 0.01, momentum: 0.9",
                     "name: adam, learning_rate: 0.01, momentum: 0.9"));
  check_refused(with(kSmallJob, "momentum: 0.9", "betas: [0.9, 0.999]"));
  check_refused(with(kSmallJob, "momentum: 0.9", "epsilon: 1e-8"));
  check_refused(with(kSmallJob, "name: step,", "name: cosine, minimum: 0.001,"));
  check_refused(with(kSmallJob, "factor: 0.5}", "factor: 0.5, minimum: 0.001}"));
  check_refused(with(kSmallJob, "{name: step, every: 5, factor: 0.5}", "{name: constant, every: 5}"));
  check_refused(with(kSmallJob, "{name: step, every: 5, factor: 0.5}", "{name: cosine}"));
  check_refused(with(kSmallJob, "{name: step, every: 5, factor: 0.5}", "{name: cosine, minimum: 0}"));
  check_refused(with(kSmallJob, "{name: step, every: 5, factor: 0.5}", "{name: cosine, minimum: 0.02}"));
  check_refused(with(kSmallJob, "layers: [", "name: mlp_2nn, layers: ["));
  for (const char* betas :
       {"0.9", "[0.9]", "[0.9, 0.9, 0.9]", "[1, 0.9]", "[0.9, 1]", "[-1, 0.9]", "[nan, 0.9]", "[a, b]", "{}"}) {
    check_refused(with(kSmallJob, "name: sgd, learning_rate: 0.01, momentum: 0.9",
                       std::string("name: adam, learning_rate: 0.01, betas: ") + betas));
  }
}

TEST_CASE("a job cut anywhere is refused or complete") {
  const std::string text = canonical_text(*parse_job(kSmallJob, "job.yaml"));
  for (std::size_t length = 0; length < text.size(); ++length) check_refused(text.substr(0, length));
}

TEST_CASE("a job with one byte changed is refused or canonical again") {
  const std::string text = canonical_text(*parse_job(kSmallJob, "job.yaml"));
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char byte : {'\0', '"', '{', '}', '9', '-', '&', '*', '\xFF', ' ', ':'}) {
      std::string changed = text;
      changed[i] = byte;
      const auto job = parse_job(changed, "job.yaml");
      if (!job) continue;
      const auto again = parse_job(canonical_text(*job), "canonical");
      INFO(changed);
      REQUIRE(again);
      CHECK(*again == *job);
    }
  }
}

TEST_CASE("bombs are refused before they grow") {
  check_refused("");
  check_refused("~");
  check_refused("[]");
  check_refused("text");
  check_refused("{}");
  check_refused(kSmallJob + "seed: 8\n");
  check_refused(kSmallJob + "---\n" + kSmallJob);
  check_refused(with(kSmallJob, "[a, b, c]", "&s [a, b, c]"));
  check_refused(with(kSmallJob, "[a, b, c]", "*s"));
  check_refused(with(kSmallJob, "seed: 7", "seed: !!int 7"));
  check_refused(kSmallJob + std::string(kMaxJobBytes, '#'));
  std::string deep, wide = "[";
  for (int i = 0; i < 5000; ++i) deep += "[";
  for (int i = 0; i < 200000; ++i) wide += "a,";
  check_refused(with(kSmallJob, "[a, b, c]", deep));
  check_refused(with(kSmallJob, "[a, b, c]", wide + "b]"));
  check_refused(with(kSmallJob, "[{linear: 16}", deep));
  std::string layers;
  for (int i = 0; i < 20000; ++i) layers += "relu, ";
  check_refused(with(kSmallJob, "relu, ", layers));
  check_refused(with(kSmallJob, "{linear: 16}", "{linear: 65536}, {linear: 65536}"));
  check_refused(with(kSmallJob, "seed: 7", "seed: " + std::string(100000, '7')));
  check_refused(with(kSmallJob, "0.01", "0." + std::string(100000, '0')));
}

}  // namespace
}  // namespace consilium::job
