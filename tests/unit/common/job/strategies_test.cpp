// The table of strategies, and the code and documents that depend on it.
#include "common/job/strategies.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "common/job/job_text.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::job;

namespace {

std::string content_of(const std::string& file) {
  std::ifstream in(std::string(CONSILIUM_SOURCE_DIR) + "/" + file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE("every strategy has a row of its own") {
  std::set<std::string_view> names;
  for (const StrategyTraits& strategy : strategies()) {
    CHECK(names.insert(strategy.name).second);
    CHECK(&traits_of(strategy.kind) == &strategy);
  }
  CHECK(names == std::set<std::string_view>{"fedavg", "fedprox"});
  CHECK_FALSE(traits_of(StrategyKind::kFedAvg).keeps_partial_work);
  CHECK(traits_of(StrategyKind::kFedProx).keeps_partial_work);
}

TEST_CASE("a strategy that needs every update is refused for a masked job alone") {
  StrategyTraits median = traits_of(StrategyKind::kFedAvg);
  CHECK(check_maskable(median, true).has_value());
  median.name = "median";
  median.input = StrategyInput::kEveryUpdate;
  CHECK(check_maskable(median, false).has_value());
  const auto refused = check_maskable(median, true);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message ==
        "median needs the update of every single site, which secure aggregation hides; write one of fedavg, fedprox, "
        "or privacy.secure_aggregation: off");
}

TEST_CASE("the documents and the example policy name every strategy and its parameters") {
  const std::string job = content_of("docs/formats/job.md");
  const std::string algorithm = content_of("docs/researcher/algorithm.md");
  std::string listed;
  for (const StrategyTraits& strategy : strategies()) {
    listed += (listed.empty() ? "`" : ", `") + std::string(strategy.name) + "`";
    CHECK(algorithm.find("| `" + std::string(strategy.name) + "` |") != std::string::npos);
    for (const StrategyParameter& parameter : strategy.parameters) {
      CHECK(job.find("| `strategy." + std::string(parameter.key) + "` |") != std::string::npos);
    }
  }
  CHECK(job.find("| `strategy.name` | " + listed + " |") != std::string::npos);
  CHECK(content_of("docs/hospital-it/policy.md").find("| `strategies` | " + listed + " |") != std::string::npos);
  const std::string names = strategy_names([](const StrategyTraits&) { return true; });
  CHECK(content_of("configs/policy.yaml").find("\nstrategies: [" + names + "]") != std::string::npos);
}
