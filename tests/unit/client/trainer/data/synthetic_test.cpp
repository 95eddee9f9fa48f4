#include "client/trainer/data/synthetic.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::data;

namespace {

const std::vector<float>& features_of(const Split& split) { return std::get<std::vector<float>>(split.values); }

}  // namespace

TEST_CASE("synthetic(1, 1) has the paper's 30 devices of 60 features, 90 % of them to train on") {
  const auto sites = generate_synthetic({}, 1);
  REQUIRE(sites);
  REQUIRE(sites->size() == 30);
  std::set<std::size_t> sizes;
  std::vector<double> logs;
  for (const auto& site : *sites) {
    const std::size_t size = site.train.size() + site.test.size();
    CHECK(size >= 50);
    CHECK(site.train.size() == static_cast<std::size_t>(0.9 * static_cast<double>(size)));
    CHECK(site.val.size() == 0);
    CHECK(site.shape == std::vector<std::int64_t>{60});
    CHECK(features_of(site.train).size() == site.train.size() * 60);
    CHECK(*std::max_element(site.train.labels.begin(), site.train.labels.end()) < 10);
    sizes.insert(size);
    logs.push_back(std::log(static_cast<double>(size - 50) + 0.5));
  }
  CHECK(sizes.size() > 15);
  std::sort(logs.begin(), logs.end());
  CHECK(logs[15] == Approx(4).margin(1.2));  // the median of a lognormal(4, 2) is e^4
}

TEST_CASE("features have the variances j^-1.2 around their site's centre") {
  const auto sites = *generate_synthetic({1.0, 1.0, 60, 60, 10}, 2);
  const auto largest = std::max_element(sites.begin(), sites.end(),
                                        [](const auto& a, const auto& b) { return a.train.size() < b.train.size(); });
  const auto& values = features_of(largest->train);
  const auto count = static_cast<double>(largest->train.size());
  for (const std::size_t j : {0U, 9U, 59U}) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < largest->train.size(); ++i) {
      const auto value = static_cast<double>(values[i * 60 + j]);
      sum += value;
      squares += value * value;
    }
    const double variance = squares / count - sum / count * sum / count;
    CHECK(variance == Approx(std::pow(static_cast<double>(j + 1), -1.2)).epsilon(0.15));
  }
}

TEST_CASE("alpha and beta spread the sites: with beta 0 their features share a centre") {
  const auto spread = [](double beta) {
    double squares = 0;
    const auto sites = *generate_synthetic({1.0, beta, 40, 60, 10}, 3);
    for (const auto& site : sites) {
      double mean = 0;
      for (const float value : features_of(site.train)) mean += static_cast<double>(value);
      mean /= static_cast<double>(features_of(site.train).size());
      squares += mean * mean;
    }
    return std::sqrt(squares / 40);
  };
  CHECK(spread(0.0) < 0.25);  // the mean of 60 centres N(0, 1): 0.13
  CHECK(spread(2.0) == Approx(2).margin(0.7));
}

TEST_CASE("synthetic data are a function of the seed, and every site's of its number alone") {
  const auto once = *generate_synthetic({1.0, 1.0, 5, 60, 10}, 1);
  CHECK(once == *generate_synthetic({1.0, 1.0, 5, 60, 10}, 1));
  CHECK_FALSE(once == *generate_synthetic({1.0, 1.0, 5, 60, 10}, 2));
  const auto fewer = *generate_synthetic({1.0, 1.0, 3, 60, 10}, 1);
  for (std::size_t i = 0; i < 3; ++i) CHECK(fewer[i] == once[i]);
}

TEST_CASE("an absurd synthetic spec is refused") {
  CHECK_FALSE(generate_synthetic({-1.0, 1.0, 30, 60, 10}, 1));
  CHECK_FALSE(generate_synthetic({1.0, NAN, 30, 60, 10}, 1));
  CHECK_FALSE(generate_synthetic({1.0, 1.0, 0, 60, 10}, 1));
  CHECK_FALSE(generate_synthetic({1.0, 1.0, 30, 0, 10}, 1));
  CHECK_FALSE(generate_synthetic({1.0, 1.0, 30, 60, 1}, 1));
}
