#include "common/secagg/transcript.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>

#include "tests/catch.h"
#include "tests/unit/common/secagg/refusal.h"

namespace consilium::secagg {
namespace {

const QuickConsortium kTranscriptFive(5);

job::RoundOrder train_order() {
  job::RoundOrder order;
  order.kind = job::SumKind::kTrain;
  order.round = 3;
  order.attempt = 2;
  order.job = crypto::sha256("a job");
  order.model = crypto::sha256("a model");
  order.seed = 7;
  order.normaliser = 1000;
  order.layout = encoding::VectorLayout::create({encoding::fixed_point_field("parameters.0", 10, 16.0)}).value();
  order.local_epochs = 2;
  order.batch_size = 32;
  order.optimizer.learning_rate = 0.01;
  order.proximal_mu = 0.5;
  order.time_limit_ms = 60'000;
  order.weighting = job::Weighting::kPopulation;
  return order;
}

struct Variation {
  std::string name;
  std::function<void(job::RoundOrder&)> change;
  job::SumKind of = job::SumKind::kTrain;  ///< a kind for which the field has a meaning
};

/// Varies each field of an order once. The structured binding fails to compile if an order has a new field that isn't
/// here.
std::vector<Variation> variations() {
  const job::RoundOrder order;
  [[maybe_unused]] const auto& [kind, round, attempt, group, job, model, seed, normaliser, labels, layout, local_epochs,
                                batch_size, optimizer, proximal_mu, time_limit_ms, keep_partial, weighting, split] =
      order;
  using Order = job::RoundOrder;
  const auto clipped = [](Order& o, double clip) {
    o.layout = encoding::VectorLayout::create({encoding::fixed_point_field("parameters.0", 10, clip)}).value();
  };
  return {
      {"kind", [](Order& o) { o.kind = job::SumKind::kEvaluate; }},
      {"round", [](Order& o) { o.round = 4; }},
      {"attempt", [](Order& o) { o.attempt = 1; }},
      {"group", [](Order& o) { o.group = 1; }},
      {"job", [](Order& o) { o.job = crypto::sha256("another job"); }},
      {"model", [](Order& o) { o.model = crypto::sha256("another model"); }},
      {"seed", [](Order& o) { o.seed = 8; }},
      {"N", [](Order& o) { o.normaliser = 1; }},
      {"labels",
       [](Order& o) {
         o.labels = {1000, {999, 1}};
       }},
      {"clip", [clipped](Order& o) { clipped(o, 1024.0); }},
      {"scale",
       [](Order& o) {
         auto field = encoding::fixed_point_field("parameters.0", 10, 16.0);
         field.scale /= 2;
         o.layout = encoding::VectorLayout::create({field}).value();
       }},
      {"words",
       [](Order& o) {
         o.layout = encoding::VectorLayout::create({encoding::fixed_point_field("parameters.0", 11, 16.0)}).value();
       }},
      {"epochs", [](Order& o) { o.local_epochs = 200; }},
      {"batch size", [](Order& o) { o.batch_size = 1; }},
      {"learning rate", [](Order& o) { o.optimizer.learning_rate = 1.0; }},
      {"proximal mu", [](Order& o) { o.proximal_mu = 0.0; }},
      {"time limit", [](Order& o) { o.time_limit_ms = 1; }},
      {"partial work", [](Order& o) { o.keep_partial = true; }},
      {"weighting", [](Order& o) { o.weighting = job::Weighting::kCohort; }},
      {"split", [](Order& o) { o.split = job::Split::kTest; }, job::SumKind::kEvaluate},
  };
}

std::vector<std::byte> bytes_of(std::span<const std::uint8_t> from) {
  const auto bytes = std::as_bytes(from);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("a site that was told anything else has another context: no other site, and no coordinator, takes its keys") {
  std::set<crypto::Digest> contexts{attempt_context(train_order())};
  for (const Variation& variation : variations()) {
    INFO(variation.name);
    job::RoundOrder order = train_order();
    order.kind = variation.of;
    job::RoundOrder told = order;
    variation.change(told);
    CHECK(contexts.insert(attempt_context(told)).second);

    BenchSetup setup;
    setup.context = attempt_context(order);
    setup.adjust = [&told](std::size_t site, SiteSetup& mine) {
      if (site == 1) mine.context = attempt_context(told);
    };
    ConsortiumBench bench(kTranscriptFive, setup);
    AdvertList list;
    for (std::size_t i = 0; i < 5; ++i) list.adverts.push_back(bench.site(i).advert());
    CHECK(refusal(bench, 0, list) == "advert of site-001: the signature isn't that of site-001");
    CHECK(refusal(bench, 1, list) == "advert of site-000: the signature isn't that of site-000");

    ConsortiumBench honest(kTranscriptFive, setup);  // and an honest coordinator continues without it
    honest.run();
    CHECK(honest.lost().at(1) == "the signature isn't that of site-001");
    CHECK(honest.coordinator().phase() == Phase::kUnmasked);
    CHECK(honest.unmasked_sum() == honest.plain_sum());
  }
}

TEST_CASE("a statement is its label and its parts, each after its length in 8 bytes") {
  const crypto::Digest cohort = crypto::sha256("a cohort");
  const std::vector<Rank> sharers{0, 1, 2, 5};
  const std::vector<Rank> survivors{0, 5};
  std::vector<std::byte> expected;
  const auto append = [&expected](const std::vector<std::byte>& part) {
    for (std::size_t i = 0; i < 8; ++i) expected.push_back(std::byte(part.size() >> (8 * i)));
    expected.insert(expected.end(), part.begin(), part.end());
  };
  const std::string label = "consilium/v1/confirm";
  append(bytes_of({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()}));
  append(bytes_of(cohort));
  append(bytes_of(sharers));
  append(bytes_of(survivors));
  CHECK(confirmation_statement(cohort, sharers, survivors) == expected);
  // A member that moves from one list to the other changes the bytes.
  CHECK(confirmation_statement(cohort, std::vector<Rank>{0, 1}, std::vector<Rank>{2}) !=
        confirmation_statement(cohort, std::vector<Rank>{0}, std::vector<Rank>{1, 2}));
}

TEST_CASE("the cohort's context depends on every advert's every part, and on the attempt") {
  ConsortiumBench bench(kTranscriptFive, {});
  AdvertList list;
  for (std::size_t i = 0; i < 5; ++i) list.adverts.push_back(bench.site(i).advert());
  const crypto::Digest attempt = BenchSetup{}.context;
  std::set<crypto::Digest> contexts{cohort_context(attempt, list), cohort_context(crypto::sha256("another"), list)};
  const auto changed = [&](const auto& change) {
    AdvertList other = list;
    change(other);
    return contexts.insert(cohort_context(attempt, other)).second;
  };
  CHECK(changed([](AdvertList& other) { other.adverts.pop_back(); }));
  CHECK(changed([](AdvertList& other) { other.adverts[2].site = "site-9"; }));
  CHECK(changed([](AdvertList& other) { other.adverts[2].certificate += "x"; }));
  CHECK(changed([](AdvertList& other) { other.adverts[2].channel_key[31] ^= 1; }));
  CHECK(changed([](AdvertList& other) { other.adverts[2].mask_key[0] ^= 1; }));
  CHECK(changed([](AdvertList& other) { other.adverts[2].signature[0] ^= std::byte{1}; }));
  CHECK(contexts.size() == 8);
}

TEST_CASE("no two keys, commitments or headers are the same: not of two purposes, directions, sites or cohorts") {
  const auto secret = crypto::SecretBytes::copy_of(crypto::sha256("a secret")).value();
  std::set<std::string> seen;
  std::size_t made = 0;
  const auto add = [&](std::span<const std::uint8_t> value) {
    seen.insert(crypto::to_hex(value));
    ++made;
  };
  for (const crypto::Digest& cohort : {crypto::sha256("one"), crypto::sha256("other")}) {
    for (Rank a = 0; a < 3; ++a) {
      add(self_mask_key(secret, cohort, a)->bytes());
      add(seed_commitment(cohort, a, secret.bytes()));
      for (Rank b = 0; b < 3; ++b) {
        add(share_commitment(cohort, ShareOf::kSeed, a, b, secret.bytes()));
        add(share_commitment(cohort, ShareOf::kMaskKey, a, b, secret.bytes()));
        if (a == b) continue;
        add(box_key(secret, cohort, a, b)->bytes());
        add(box_header(cohort, a, b));
        if (a < b) add(pair_mask_key(secret, cohort, a, b)->bytes());
      }
    }
  }
  CHECK(seen.size() == made);
  const crypto::Digest cohort = crypto::sha256("one");
  CHECK(std::ranges::equal(pair_mask_key(secret, cohort, 1, 2)->bytes(), pair_mask_key(secret, cohort, 2, 1)->bytes()));
}

}  // namespace consilium::secagg
