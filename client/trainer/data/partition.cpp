#include "client/trainer/data/partition.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "common/random/random_stream.h"

namespace consilium::data {
namespace {

using Indices = std::vector<std::uint32_t>;

constexpr std::uint32_t kMaxShards = 10000;
constexpr double kMaxAlpha = 1e6;

RandomStream stream_of(std::uint64_t seed, std::string_view name) { return {seed, RandomPurpose::kPartition, 0, name}; }

void shuffle(Indices& indices, RandomStream& stream) {
  for (std::size_t i = indices.size(); i > 1; --i) std::swap(indices[i - 1], indices[stream.below(i)]);
}

Indices shuffled(std::size_t count, RandomStream& stream) {
  Indices indices(count);
  std::iota(indices.begin(), indices.end(), 0U);
  shuffle(indices, stream);
  return indices;
}

/// Returns part `index` of `whole` when it is divided into `parts`; the first parts get the remainder.
std::size_t share(std::size_t whole, std::size_t parts, std::size_t index) {
  return whole / parts + (index < whole % parts ? 1 : 0);
}

std::vector<Indices> deal(const Indices& indices, std::size_t sites) {
  std::vector<Indices> dealt;
  auto next = indices.begin();
  for (std::size_t site = 0; site < sites; ++site) {
    const auto end = next + static_cast<std::ptrdiff_t>(share(indices.size(), sites, site));
    dealt.emplace_back(next, end);
    next = end;
  }
  return dealt;
}

Result<std::vector<Indices>> deal_shards(Indices indices, const Split& train, const PartitionSpec& spec,
                                         std::uint64_t seed) {
  const std::size_t pieces = std::size_t{spec.sites} * spec.shards;
  if (indices.size() < pieces) {
    return refuse(fmt::format("{} sites x {} shards need at least {} training examples, but there are {}", spec.sites,
                              spec.shards, pieces, indices.size()));
  }
  std::stable_sort(indices.begin(), indices.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return train.labels[a] < train.labels[b]; });
  RandomStream stream = stream_of(seed, "shards");
  std::vector<Indices> dealt(spec.sites);
  auto next = indices.begin();
  for (const std::uint32_t piece : shuffled(pieces, stream)) {
    const std::size_t site = piece / spec.shards;
    const std::size_t size = share(share(indices.size(), spec.sites, site), spec.shards, piece % spec.shards);
    dealt[site].insert(dealt[site].end(), next, next + static_cast<std::ptrdiff_t>(size));
    next += static_cast<std::ptrdiff_t>(size);
  }
  return dealt;
}

/// Draws the logarithm of a Gamma(shape, 1) variable (Marsaglia and Tsang 2000, with their boost for shape < 1). The
/// variable itself would underflow for small shapes.
double log_gamma_draw(RandomStream& stream, double shape) {
  const double d = shape + 1.0 - 1.0 / 3.0;
  const double c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = stream.next_normal();
    const double root = 1.0 + c * x;
    if (root <= 0.0) continue;
    const double v = root * root * root;
    if (std::log(1.0 - stream.next_double()) < 0.5 * x * x + d - d * v + d * std::log(v)) {
      return std::log(d * v) + std::log(1.0 - stream.next_double()) / shape;
    }
  }
}

/// Draws class shares from Dir(alpha x prior); a class with prior 0 gets 0. The shares are scaled so that the largest
/// is 1.
std::vector<double> draw_shares(RandomStream& stream, double alpha, const std::vector<double>& prior) {
  std::vector<double> logs;
  for (const double p : prior)
    logs.push_back(p > 0.0 ? log_gamma_draw(stream, alpha * p) : -std::numeric_limits<double>::infinity());
  const double largest = *std::max_element(logs.begin(), logs.end());
  for (double& value : logs) value = std::exp(value - largest);
  return logs;
}

/// Draws a class according to these shares, among the pools that aren't empty. If none of those pools has a share,
/// draws according to the pools' sizes.
std::size_t draw_class(RandomStream& stream, const std::vector<double>& shares, const std::vector<Indices>& pools) {
  std::vector<double> weights(pools.size(), 0.0);
  double sum = 0.0;
  for (const bool by_size : {false, true}) {
    if (sum > 0.0) break;
    for (std::size_t i = 0; i < pools.size(); ++i) {
      weights[i] = by_size ? static_cast<double>(pools[i].size()) : (pools[i].empty() ? 0.0 : shares[i]);
      sum += weights[i];
    }
  }
  double rest = stream.next_double() * sum;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < pools.size(); ++i) {
    if (weights[i] <= 0.0) continue;
    chosen = i;
    if (rest < weights[i]) break;
    rest -= weights[i];
  }
  return chosen;
}

std::vector<Indices> deal_dirichlet(const Indices& indices, const Dataset& whole, const PartitionSpec& spec,
                                    std::uint64_t seed) {
  std::vector<Indices> pools(static_cast<std::size_t>(whole.classes));
  for (const std::uint32_t index : indices) pools[whole.train.labels[index]].push_back(index);
  std::vector<double> prior;
  for (const Indices& pool : pools)
    prior.push_back(static_cast<double>(pool.size()) / static_cast<double>(indices.size()));
  std::vector<RandomStream> streams;
  std::vector<std::vector<double>> shares;
  for (std::uint32_t site = 0; site < spec.sites; ++site) {
    streams.push_back(stream_of(seed, fmt::format("dirichlet {}", site)));
    shares.push_back(draw_shares(streams.back(), spec.alpha, prior));
  }
  // Sites draw in turn, so that classes run out for all sites alike rather than for the last ones.
  std::vector<Indices> dealt(spec.sites);
  for (std::size_t drawn = 0; drawn < indices.size(); ++drawn) {
    const std::size_t site = drawn % spec.sites;
    Indices& pool = pools[draw_class(streams[site], shares[site], pools)];
    dealt[site].push_back(pool.back());
    pool.pop_back();
  }
  return dealt;
}

Result<void> check(const Dataset& whole, const PartitionSpec& spec) {
  const std::size_t examples = whole.train.size();
  if (spec.sites < 1 || spec.sites > examples) {
    return refuse(
        fmt::format("sites: expected 1 to {}, the number of training examples, found {}", examples, spec.sites));
  }
  if (spec.per_site && (*spec.per_site < 1 || *spec.per_site > examples / spec.sites)) {
    return refuse(fmt::format("per-site: expected 1 to {} ({} training examples over {} sites), found {}",
                              examples / spec.sites, examples, spec.sites, *spec.per_site));
  }
  if (spec.kind == PartitionKind::kShards && (spec.shards < 1 || spec.shards > kMaxShards)) {
    return refuse(fmt::format("partition: shards: expected 1 to {}, found {}", kMaxShards, spec.shards));
  }
  if (spec.kind == PartitionKind::kDirichlet && !(spec.alpha > 0.0 && spec.alpha <= kMaxAlpha)) {
    return refuse(
        fmt::format("partition: dirichlet: expected a number > 0 and <= {}, found {}", kMaxAlpha, spec.alpha));
  }
  return {};
}

Result<std::vector<Indices>> assign_train(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed) {
  RandomStream stream = stream_of(seed, "train");
  Indices indices = shuffled(whole.train.size(), stream);
  if (spec.per_site) indices.resize(std::size_t{spec.sites} * *spec.per_site);
  switch (spec.kind) {
    case PartitionKind::kIid:
      return deal(indices, spec.sites);
    case PartitionKind::kShards:
      return deal_shards(std::move(indices), whole.train, spec, seed);
    case PartitionKind::kDirichlet:
      return deal_dirichlet(indices, whole, spec, seed);
  }
  return refuse("partition: unknown kind");
}

tl::unexpected<Error> malformed(std::string_view text) {
  return refuse(
      fmt::format("partition: expected iid, shards:N (1 to {}) or dirichlet:ALPHA (a number > 0 and <= {}), found '{}'",
                  kMaxShards, kMaxAlpha, text.substr(0, 60)));
}

/// Parses a number that must take up the whole text.
template <class T>
bool parse_number(std::string_view text, T& value) {
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
  return fault == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<PartitionSpec> parse_partition(std::string_view text) {
  constexpr std::string_view shards = "shards:", dirichlet = "dirichlet:";
  PartitionSpec spec;
  if (text == "iid") return spec;
  if (text.starts_with(shards)) {
    spec.kind = PartitionKind::kShards;
    if (!parse_number(text.substr(shards.size()), spec.shards) || spec.shards < 1 || spec.shards > kMaxShards)
      return malformed(text);
    return spec;
  }
  if (text.starts_with(dirichlet)) {
    spec.kind = PartitionKind::kDirichlet;
    if (!parse_number(text.substr(dirichlet.size()), spec.alpha) || !(spec.alpha > 0.0 && spec.alpha <= kMaxAlpha))
      return malformed(text);
    return spec;
  }
  return malformed(text);
}

Result<std::vector<Assignment>> assign(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed) {
  CONSILIUM_TRY(check(whole, spec));
  CONSILIUM_ASSIGN(std::vector<Indices> train, assign_train(whole, spec, seed));
  RandomStream val_stream = stream_of(seed, "val"), test_stream = stream_of(seed, "test");
  std::vector<Indices> val = deal(shuffled(whole.val.size(), val_stream), spec.sites);
  std::vector<Indices> test = deal(shuffled(whole.test.size(), test_stream), spec.sites);
  std::vector<Assignment> sites;
  for (std::size_t i = 0; i < spec.sites; ++i)
    sites.push_back({std::move(train[i]), std::move(val[i]), std::move(test[i])});
  return sites;
}

Dataset take(const Dataset& whole, const Assignment& assignment) {
  const std::size_t size = whole.example_size();
  return {whole.shape, whole.classes, select(whole.train, assignment.train, size),
          select(whole.val, assignment.val, size), select(whole.test, assignment.test, size)};
}

Result<std::vector<Dataset>> partition(const Dataset& whole, const PartitionSpec& spec, std::uint64_t seed) {
  CONSILIUM_ASSIGN(const std::vector<Assignment> sites, assign(whole, spec, seed));
  std::vector<Dataset> datasets;
  datasets.reserve(sites.size());
  for (const Assignment& site : sites) datasets.push_back(take(whole, site));
  return datasets;
}

}  // namespace consilium::data
