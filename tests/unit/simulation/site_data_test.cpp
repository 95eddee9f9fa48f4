#include "simulation/site_data.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/npz_writer.h"
#include "common/job/job_text.h"
#include "tests/catch.h"
#include "tests/unit/simulation/fixtures.h"

namespace consilium::simulation {
namespace {

job::JobSpec job_of(const std::string& federation) {
  const auto job = job::parse_job(
      "name: tiny\nmodel: {layers: [{linear: 2}], input: [3], classes: 2}\ndata: {dataset: tiny}\n"
      "training: {local_epochs: 1, batch_size: 4, optimizer: {name: sgd, learning_rate: 0.1}}\nstrategy: {name: "
      "fedavg}\n"
      "privacy: {secure_aggregation: off}\nseed: 1\nfederation: " +
          federation + "\n",
      "job.yaml");
  REQUIRE(job);
  return *job;
}

/// Returns examples whose first value is their number, so that each can be recognised.
data::Split split_of(std::size_t count, float first) {
  data::Split split;
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    values.insert(values.end(), {first + static_cast<float>(i), 0.5F, -0.5F});
    split.labels.push_back(static_cast<std::uint16_t>(i % 2));
  }
  split.values = values;
  return split;
}

std::filesystem::path write_data(const std::filesystem::path& folder) {
  const data::Dataset dataset{{3}, 2, split_of(40, 0), split_of(8, 1000), split_of(12, 2000)};
  REQUIRE(data::write_npz(folder / "all.npz", dataset));
  return folder / "all.npz";
}

std::string bytes_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Counts how often each example's number occurs in a split of all sites.
std::map<int, int> numbers(const std::vector<SimulatedSite>& sites, data::Split data::Dataset::*split) {
  std::map<int, int> found;
  for (const SimulatedSite& site : sites) {
    const auto dataset = data::read_dataset(site.data, {3}, 2);
    REQUIRE(dataset);
    const auto& values = std::get<std::vector<float>>(((*dataset).*split).values);
    for (std::size_t i = 0; i < values.size(); i += 3) ++found[static_cast<int>(values[i])];
  }
  return found;
}

TEST_CASE("sites are those that the job names, else numbered") {
  CHECK(*site_names(job_of("{rounds: 1, sites: [north, south]}"), 0) == std::vector<std::string>{"north", "south"});
  CHECK(site_names(job_of("{rounds: 1, sites: [north, south]}"), 2));
  const auto refused = site_names(job_of("{rounds: 1, sites: [north, south]}"), 3);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("names 2 sites") != std::string::npos);
  CHECK(*site_names(job_of("{rounds: 1}"), 2) == std::vector<std::string>{"site-000", "site-001"});
  CHECK_FALSE(site_names(job_of("{rounds: 1}"), 0));
  CHECK_FALSE(site_names(job_of("{rounds: 1, minimum_sites: 3}"), 2));
}

TEST_CASE("every partition gives each example to exactly one site, and the same bytes each time") {
  const Folder folder;
  const std::filesystem::path data = write_data(folder.path);
  const job::JobSpec job = job_of("{rounds: 1, sites: [a, b, c, d]}");
  for (const std::string partition : {"iid", "shards:2", "dirichlet:0.5"}) {
    const SplitRequest request{data, {"a", "b", "c", "d"}, partition, {}, 7};
    const auto sites = split_to_folder(request, job, folder.path / "one");
    REQUIRE(sites);
    REQUIRE(sites->size() == 4);
    const auto train = numbers(*sites, &data::Dataset::train);
    CHECK(train.size() == 40);
    CHECK(std::ranges::all_of(train, [](const auto& entry) { return entry.second == 1; }));
    CHECK(numbers(*sites, &data::Dataset::val).size() == 8);
    CHECK(numbers(*sites, &data::Dataset::test).size() == 12);
    REQUIRE(split_to_folder(request, job, folder.path / "two"));
    for (const char* name : {"a.npz", "b.npz", "c.npz", "d.npz"})
      CHECK(bytes_of(folder.path / "one" / name) == bytes_of(folder.path / "two" / name));
  }
}

TEST_CASE("sites of an earlier run don't stay among those of this one") {
  const Folder folder;
  const std::filesystem::path data = write_data(folder.path);
  REQUIRE(split_to_folder({data, {"a", "b", "c", "d"}, "iid", {}, 7}, job_of("{rounds: 1, sites: [a, b, c, d]}"),
                          folder.path / "sites"));
  REQUIRE(
      split_to_folder({data, {"b", "c"}, "iid", {}, 7}, job_of("{rounds: 1, sites: [b, c]}"), folder.path / "sites"));
  const auto read = read_site_folder(folder.path / "sites", job_of("{rounds: 1}"));
  REQUIRE(read);
  CHECK(read->size() == 2);
  CHECK(read->front().name == "b");
}

TEST_CASE("per-site gives each site so many training examples, none twice") {
  const Folder folder;
  const job::JobSpec job = job_of("{rounds: 1, sites: [a, b, c]}");
  const auto sites = split_to_folder({write_data(folder.path), {"a", "b", "c"}, "iid", 5, 7}, job, folder.path / "out");
  REQUIRE(sites);
  for (const SimulatedSite& site : *sites) CHECK(data::read_dataset(site.data, {3}, 2)->train.size() == 5);
  const auto train = numbers(*sites, &data::Dataset::train);
  CHECK(train.size() == 15);
  CHECK_FALSE(split_to_folder({folder.path / "all.npz", {"a", "b", "c"}, "iid", 14, 7}, job, folder.path / "out"));
}

TEST_CASE("synthetic:ALPHA,BETA generates each site's data from the seed alone, fit for the job's model") {
  const Folder folder;
  const job::JobSpec job = job_of("{rounds: 1, sites: [a, b]}");
  const auto sites = split_to_folder({"synthetic:1,1", {"a", "b"}, "iid", {}, 7}, job, folder.path / "one");
  REQUIRE(sites);
  REQUIRE(sites->size() == 2);
  for (const SimulatedSite& site : *sites) {
    const auto dataset = data::read_dataset(site.data, {3}, 2);
    REQUIRE(dataset);
    CHECK(dataset->train.size() >= 45);
    CHECK(dataset->test.size() >= 5);
  }
  REQUIRE(split_to_folder({"synthetic:1,1", {"a", "b"}, "iid", {}, 7}, job, folder.path / "two"));
  REQUIRE(split_to_folder({"synthetic:1,1", {"a", "b"}, "iid", {}, 8}, job, folder.path / "three"));
  CHECK(bytes_of(folder.path / "one" / "a.npz") == bytes_of(folder.path / "two" / "a.npz"));
  CHECK(bytes_of(folder.path / "one" / "a.npz") != bytes_of(folder.path / "three" / "a.npz"));
  CHECK(bytes_of(folder.path / "one" / "a.npz") != bytes_of(folder.path / "one" / "b.npz"));
}

TEST_CASE("synthetic data of another spelling, or divided besides, are refused") {
  const Folder folder;
  const job::JobSpec job = job_of("{rounds: 1}");
  for (const std::string data : {"synthetic:", "synthetic:1", "synthetic:1,", "synthetic:,1", "synthetic:1;1",
                                 "synthetic:1,1,1", "synthetic:-1,1", "synthetic:nan,1", "synthetic:1,inf"}) {
    INFO(data);
    const auto refused = split_to_folder({data, {"a"}, "iid", {}, 7}, job, folder.path / "out");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("synthetic") != std::string::npos);
  }
  CHECK_FALSE(split_to_folder({"synthetic:1,1", {"a"}, "shards:2", {}, 7}, job, folder.path / "out"));
  CHECK_FALSE(split_to_folder({"synthetic:1,1", {"a"}, "iid", 20, 7}, job, folder.path / "out"));
}

TEST_CASE("a partition that isn't one is refused by name") {
  const Folder folder;
  const job::JobSpec job = job_of("{rounds: 1}");
  const std::filesystem::path data = write_data(folder.path);
  for (const std::string partition :
       {"", "iid:2", "shards", "shards:0", "shards:x", "dirichlet:0", "dirichlet:-1", "dirichlet:nan", "random"}) {
    const auto refused = split_to_folder({data, {"a", "b"}, partition, {}, 7}, job, folder.path / "out");
    INFO(partition);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("--partition") != std::string::npos);
  }
}

TEST_CASE("a folder of .npz files is read as sites in order of name, and must have those that the job names") {
  const Folder folder;
  const data::Dataset dataset{{3}, 2, split_of(4, 0), split_of(0, 0), split_of(4, 0)};
  for (const char* name : {"west.npz", "east.npz"}) REQUIRE(data::write_npz(folder.path / name, dataset));
  std::ofstream(folder.path / "notes.txt") << "x";
  const auto sites = read_site_folder(folder.path, job_of("{rounds: 1}"));
  REQUIRE(sites);
  REQUIRE(sites->size() == 2);
  CHECK(sites->at(0).name == "east");
  CHECK(sites->at(1).name == "west");
  CHECK(read_site_folder(folder.path, job_of("{rounds: 1, sites: [west]}"))->size() == 1);
  const auto missing = read_site_folder(folder.path, job_of("{rounds: 1, sites: [north]}"));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("north.npz") != std::string::npos);
  CHECK_FALSE(read_site_folder(folder.path / "nothing", job_of("{rounds: 1}")));
  CHECK_FALSE(read_site_folder(folder.path, job_of("{rounds: 1, minimum_sites: 3}")));
}

TEST_CASE("the pool holds everybody's examples, and types that don't go together are refused") {
  const Folder folder;
  const job::JobSpec job = job_of("{rounds: 1, sites: [a, b, c]}");
  const auto sites =
      split_to_folder({write_data(folder.path), {"a", "b", "c"}, "iid", {}, 7}, job, folder.path / "out");
  REQUIRE(sites);
  const auto pool = write_pool(*sites, job, folder.path / "deep" / "pooled.npz");
  REQUIRE(pool);
  CHECK(numbers({*pool}, &data::Dataset::train).size() == 40);
  CHECK(numbers({*pool}, &data::Dataset::test).size() == 12);

  data::Dataset bytes{{3}, 2, {}, {}, {}};
  for (const auto split : {&data::Dataset::train, &data::Dataset::val, &data::Dataset::test})
    bytes.*split = {std::vector<std::uint8_t>{1, 2, 3}, {1}};
  REQUIRE(data::write_npz(folder.path / "bytes.npz", bytes));
  std::vector<SimulatedSite> mixed = *sites;
  mixed.push_back({"z", {"npz", (folder.path / "bytes.npz").string()}});
  const auto refused = write_pool(mixed, job, folder.path / "mixed.npz");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("bytes.npz") != std::string::npos);
}

}  // namespace
}  // namespace consilium::simulation
