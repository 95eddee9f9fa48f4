#include "cli/comparison_text.h"

#include "tests/catch.h"

namespace consilium::cli {
namespace {

task::Metrics metrics_of(double accuracy, double auc) {
  task::Metrics metrics;
  metrics.examples = 100;
  metrics.values = {{"loss", 1.0, 0.0, false}, {"accuracy", accuracy}, {"auc", auc}};
  return metrics;
}

TEST_CASE("a comparison has lines that begin with alone, federated and pooled, with accuracy and AUC") {
  report::Comparison comparison;
  comparison.alone = {{"east", metrics_of(0.5, 0.6)}, {"west", metrics_of(0.7, 0.8)}};
  comparison.federated = metrics_of(0.85, 0.92);
  comparison.pooled = metrics_of(0.87, 0.93);
  const auto lines = comparison_lines(comparison);
  REQUIRE(lines.size() == 6);
  CHECK(lines[0].starts_with("alone      accuracy 0.600"));
  CHECK(lines[0].find("AUC 0.700") != std::string::npos);
  CHECK(lines[1].starts_with("  east     accuracy 0.500"));
  CHECK(lines[3].starts_with("federated  accuracy 0.850"));
  CHECK(lines[4].starts_with("pooled     accuracy 0.870"));
  CHECK(lines[5].starts_with("gain       accuracy +0.250 over"));
  CHECK(lines[5].ends_with("no interval, because that needs counts for at least 10 patients"));
  CHECK(federated_is_better(comparison));
}

TEST_CASE("a comparison with intervals says how far the gain may lie from what was measured") {
  report::Comparison comparison;
  comparison.alone = {{"east", metrics_of(0.5, 0.6)}, {"west", metrics_of(0.7, 0.8)}};
  comparison.ensemble = metrics_of(0.75, 0.8);
  comparison.federated = metrics_of(0.85, 0.92);
  comparison.federated->values[1].interval = task::Interval{0.79, 0.9};
  comparison.gain_intervals["accuracy"] = {0.125, 0.375};
  const auto lines = comparison_lines(comparison);
  REQUIRE(lines.size() == 6);
  CHECK(lines[3].starts_with("ensemble   accuracy 0.750"));
  CHECK(lines[4].find("(0.790 to 0.900)") != std::string::npos);
  CHECK(lines[5].starts_with("gain       accuracy +0.250 (+0.125 to +0.375)"));
}

TEST_CASE("of many sites only the worst and the best are shown") {
  report::Comparison comparison;
  for (int i = 0; i < 100; ++i) comparison.alone["site-" + std::to_string(i)] = metrics_of(0.4 + 0.001 * i, 0.5);
  const auto lines = comparison_lines(comparison);
  REQUIRE(lines.size() == 3);
  CHECK(lines[1].find("0.400") != std::string::npos);
  CHECK(lines[2].find("site-99") != std::string::npos);
}

TEST_CASE("a federation that only equals the mean of the sites alone isn't better") {
  report::Comparison comparison;
  CHECK_FALSE(federated_is_better(comparison));
  comparison.alone = {{"east", metrics_of(0.5, 0.6)}, {"west", metrics_of(0.7, 0.8)}};
  CHECK_FALSE(federated_is_better(comparison));
  comparison.federated = metrics_of(0.6, 0.99);
  CHECK_FALSE(federated_is_better(comparison));
  comparison.federated = metrics_of(0.61, 0.5);
  CHECK(federated_is_better(comparison));
}

}  // namespace
}  // namespace consilium::cli
