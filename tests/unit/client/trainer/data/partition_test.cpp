#include "client/trainer/data/partition.h"

#include <algorithm>
#include <set>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::data;

namespace {

/// Returns a data set whose i-th example has the value i % 256 and the label i % classes.
Dataset whole(std::size_t train, std::size_t val, std::size_t test, std::int64_t classes = 10) {
  Dataset dataset{{1, 1, 2}, classes, {}, {}, {}};
  for (auto [split, count] :
       {std::pair{&dataset.train, train}, std::pair{&dataset.val, val}, std::pair{&dataset.test, test}}) {
    std::vector<std::uint8_t> values;
    for (std::size_t i = 0; i < count; ++i) {
      values.insert(values.end(), 2, static_cast<std::uint8_t>(i));
      split->labels.push_back(static_cast<std::uint16_t>(i % static_cast<std::size_t>(classes)));
    }
    split->values = std::move(values);
  }
  return dataset;
}

PartitionSpec spec(const char* text, std::uint32_t sites, std::optional<std::uint32_t> per_site = std::nullopt) {
  auto parsed = *parse_partition(text);
  parsed.sites = sites;
  parsed.per_site = per_site;
  return parsed;
}

/// Checks that the parts together hold each index below count exactly once.
void check_covers(const std::vector<Assignment>& sites, std::vector<std::uint32_t> Assignment::*part,
                  std::size_t count) {
  std::vector<std::uint32_t> all;
  for (const auto& site : sites) all.insert(all.end(), (site.*part).begin(), (site.*part).end());
  std::sort(all.begin(), all.end());
  REQUIRE(all.size() == count);
  for (std::size_t i = 0; i < count; ++i) REQUIRE(all[i] == i);
}

std::size_t classes_of(const Dataset& dataset, const Assignment& site) {
  std::set<std::uint16_t> labels;
  for (const auto index : site.train) labels.insert(dataset.train.labels[index]);
  return labels.size();
}

double mean_classes(const Dataset& dataset, const std::vector<Assignment>& sites) {
  double sum = 0;
  for (const auto& site : sites) sum += static_cast<double>(classes_of(dataset, site));
  return sum / static_cast<double>(sites.size());
}

}  // namespace

TEST_CASE("every kind of partition gives each example to one site, and the sites alike numbers of them") {
  const auto dataset = whole(1003, 57, 101);
  for (const char* text : {"iid", "shards:2", "shards:3", "dirichlet:0.1", "dirichlet:100"}) {
    CAPTURE(text);
    const auto sites = assign(dataset, spec(text, 7), 1);
    REQUIRE(sites);
    REQUIRE(sites->size() == 7);
    check_covers(*sites, &Assignment::train, 1003);
    check_covers(*sites, &Assignment::val, 57);
    check_covers(*sites, &Assignment::test, 101);
    for (const auto& site : *sites) {
      CHECK((site.train.size() == 143 || site.train.size() == 144));
      CHECK((site.val.size() == 8 || site.val.size() == 9));
      CHECK((site.test.size() == 14 || site.test.size() == 15));
    }
  }
}

TEST_CASE("a partition is a function of its seed") {
  const auto dataset = whole(300, 0, 0);
  for (const char* text : {"iid", "shards:2", "dirichlet:0.5"}) {
    const auto once = *partition(dataset, spec(text, 5), 1);
    CHECK(once == *partition(dataset, spec(text, 5), 1));
    CHECK_FALSE(once == *partition(dataset, spec(text, 5), 2));
  }
}

TEST_CASE("per-site numbers are exact for every kind, and no example is given twice") {
  const auto dataset = whole(1000, 10, 10);
  for (const char* text : {"iid", "shards:3", "dirichlet:0.1"}) {
    const auto sites = assign(dataset, spec(text, 4, 80), 1);
    REQUIRE(sites);
    std::set<std::uint32_t> seen;
    for (const auto& site : *sites) {
      CHECK(site.train.size() == 80);
      seen.insert(site.train.begin(), site.train.end());
    }
    CHECK(seen.size() == 320);
    check_covers(*sites, &Assignment::test, 10);
  }
}

TEST_CASE("two shards give a site few classes, iid gives it all, and sites share the classes out") {
  const auto dataset = whole(6000, 0, 0);
  const auto shards = *assign(dataset, spec("shards:2", 100), 3);
  for (const auto& site : shards) CHECK(classes_of(dataset, site) <= 4);
  CHECK(mean_classes(dataset, shards) < 2.5);
  CHECK(mean_classes(dataset, *assign(dataset, spec("iid", 20), 3)) == 10);
}

TEST_CASE("the smaller alpha, the fewer classes a site has") {
  const auto dataset = whole(5000, 0, 0);
  const double few = mean_classes(dataset, *assign(dataset, spec("dirichlet:0.1", 50), 3));
  const double some = mean_classes(dataset, *assign(dataset, spec("dirichlet:3", 50), 3));
  const double all = mean_classes(dataset, *assign(dataset, spec("dirichlet:1000", 50), 3));
  CHECK(few < some);
  CHECK(some < all);
  CHECK(few < 4);
  CHECK(all > 9.9);
}

TEST_CASE("dirichlet shares have the mean and variance of the distribution") {
  // Two classes, alpha 2: a site's share of class 0 is Beta(1, 1), with mean 1/2 and variance 1/12. There are many more
  // examples than are drawn, so that no class runs out.
  const auto dataset = whole(400000, 0, 0, 2);
  const auto sites = *assign(dataset, spec("dirichlet:2", 400, 200), 5);
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < 200; ++i) {
    double zeros = 0;
    for (const auto index : sites[i].train) zeros += dataset.train.labels[index] == 0 ? 1 : 0;
    sum += zeros / 200;
    squares += zeros / 200 * zeros / 200;
  }
  const double mean = sum / 200;
  CHECK(mean == Approx(0.5).margin(0.07));
  CHECK(squares / 200 - mean * mean == Approx(1.0 / 12).margin(0.02));
}

TEST_CASE("an alpha so small that every share underflows still deals out every example") {
  const auto dataset = whole(500, 0, 0);
  const auto sites = assign(dataset, spec("dirichlet:1e-9", 10), 1);
  REQUIRE(sites);
  check_covers(*sites, &Assignment::train, 500);
}

TEST_CASE("a site's data set holds its examples with their labels") {
  const auto dataset = whole(50, 5, 5);
  const auto sites = *assign(dataset, spec("iid", 3), 9);
  const auto parts = *partition(dataset, spec("iid", 3), 9);
  for (std::size_t s = 0; s < 3; ++s) {
    CHECK(parts[s].shape == dataset.shape);
    CHECK(parts[s].classes == 10);
    REQUIRE(parts[s].train.size() == sites[s].train.size());
    for (std::size_t i = 0; i < parts[s].train.size(); ++i) {
      CHECK(std::get<std::vector<std::uint8_t>>(parts[s].train.values)[2 * i + 1] == sites[s].train[i]);
      CHECK(parts[s].train.labels[i] == sites[s].train[i] % 10);
    }
  }
}

TEST_CASE("partitions are read from the words that a command takes") {
  CHECK(parse_partition("iid")->kind == PartitionKind::kIid);
  CHECK(parse_partition("shards:4")->shards == 4);
  CHECK(parse_partition("dirichlet:0.1")->alpha == 0.1);
  CHECK(parse_partition("dirichlet:1e2")->alpha == 100);
  for (const char* text : {"", "IID", "iid:2", "shards", "shards:", "shards:0", "shards:-1", "shards:2x", "shards:2.5",
                           "shards:99999999999", "dirichlet", "dirichlet:", "dirichlet:0", "dirichlet:-1",
                           "dirichlet:nan", "dirichlet:inf", "dirichlet:1,5"}) {
    const auto parsed = parse_partition(text);
    CAPTURE(text);
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().message, Catch::Contains("partition: expected iid, shards:N") &&
                                           Catch::Contains("found '" + std::string(text) + "'"));
  }
}

TEST_CASE("a partition that the data can't fill is refused with the numbers") {
  const auto dataset = whole(100, 0, 0);
  const auto message = [&](const PartitionSpec& wanted) {
    const auto sites = assign(dataset, wanted, 1);
    REQUIRE_FALSE(sites);
    return sites.error().message;
  };
  CHECK_THAT(message(spec("iid", 0)), Catch::Contains("sites: expected 1 to 100"));
  CHECK_THAT(message(spec("iid", 101)),
             Catch::Contains("sites: expected 1 to 100, the number of training examples, found 101"));
  CHECK_THAT(message(spec("iid", 4, 26)),
             Catch::Contains("per-site: expected 1 to 25 (100 training examples over 4 sites), found 26"));
  CHECK_THAT(message(spec("iid", 4, 0)), Catch::Contains("per-site"));
  CHECK_THAT(message(spec("shards:26", 4)),
             Catch::Contains("4 sites x 26 shards need at least 104 training examples, but there are 100"));
  CHECK_THAT(message(PartitionSpec{PartitionKind::kDirichlet, 2, -1.0, 4, std::nullopt}), Catch::Contains("dirichlet"));
}
