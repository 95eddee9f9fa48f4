#include "common/secagg/group_transcript.h"

#include <functional>
#include <set>

#include "common/secagg/transcript.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/group_adverts.h"
#include "tests/unit/common/secagg/group_bench.h"

namespace consilium::secagg {
namespace {

job::RoundOrder train_order() {
  job::RoundOrder order;
  order.kind = job::SumKind::kTrain;
  order.round = 3;
  order.attempt = 2;
  order.job = crypto::sha256("a job");
  order.model = crypto::sha256("a model");
  order.normaliser = 1000;
  order.layout = encoding::VectorLayout::create({encoding::fixed_point_field("parameters.0", 10, 16.0)}).value();
  order.local_epochs = 2;
  order.batch_size = 32;
  order.optimizer.learning_rate = 0.01;
  return order;
}

const crypto::Digest kContext = crypto::sha256("an attempt");

}  // namespace

TEST_CASE("a group's context, digests and mask keys agree with vectors of another implementation") {
  CHECK(crypto::to_hex(cohort_context(kContext, two())) ==
        "f7e45fe4ea520b19ead4ce376807bb665f2d147c69b2ec8d171f2e68b5b445cc");
  CHECK(crypto::to_hex(advert_digest(kContext, east())) ==
        "e3b41f622d19e6b58c21a6c061de49ab0dac2de447a07ee05e276cff55c92699");
  crypto::SecretBytes agreed = crypto::SecretBytes::allocate(32).value();
  for (std::size_t i = 0; i < 32; ++i) agreed.bytes()[i] = static_cast<std::uint8_t>(32 + i);
  const auto key = pair_mask_key(agreed, crypto::sha256("a cohort"), "east", "north").value();
  CHECK(crypto::to_hex(key.bytes()) == "dacf964d6c889e6b9bddc3a9a23d6962c795bcc710cb5abf0aad263eb4c5db8f");
  const auto same = pair_mask_key(agreed, crypto::sha256("a cohort"), "north", "east").value();
  CHECK(crypto::equal_in_constant_time(key.bytes(), same.bytes()));
}

TEST_CASE("an attempt's context is its own for whatever steers a site, for the job's key, and for the mode") {
  const crypto::Digest confirmation = crypto::sha256("a key");
  std::set<crypto::Digest> contexts{attempt_context(train_order(), confirmation), attempt_context(train_order()),
                                    attempt_context(train_order(), crypto::sha256("another key"))};
  using Order = job::RoundOrder;
  const std::vector<std::function<void(Order&)>> changes = {
      [](Order& order) { order.kind = job::SumKind::kEvaluate; },
      [](Order& order) { order.round = 4; },
      [](Order& order) { order.attempt = 3; },
      [](Order& order) { order.group = 1; },
      [](Order& order) { order.job = crypto::sha256("another job"); },
      [](Order& order) { order.model = crypto::sha256("another model"); },
      [](Order& order) { order.seed = 1; },
      [](Order& order) { order.normaliser = 1; },
      [](Order& order) { order.optimizer.learning_rate = 0.02; },
  };
  for (const auto& change : changes) {
    Order order = train_order();
    change(order);
    contexts.insert(attempt_context(order, confirmation));
  }
  CHECK(contexts.size() == 3 + changes.size());
}

TEST_CASE("an advert's statement covers all that stands in it but the signature") {
  const auto statement = [](const auto& change, const crypto::Digest& context = kContext) {
    GroupAdvert advert = east();
    change(advert);
    return advert_statement(context, advert);
  };
  std::set<std::vector<std::byte>> statements;
  statements.insert(statement([](auto&) {}));
  statements.insert(statement([](auto&) {}, crypto::sha256("another attempt")));
  statements.insert(statement([](auto& advert) { advert.site = "north"; }));
  statements.insert(statement([](auto& advert) { advert.certificate = "another"; }));
  statements.insert(statement([](auto& advert) { advert.mask_key[0] ^= 1; }));
  statements.insert(statement([](auto& advert) { advert.number = 6; }));
  statements.insert(statement([](auto& advert) { advert.seen[0].number = 1; }));
  statements.insert(statement([](auto& advert) { advert.seen[1].advert[0] ^= 1; }));
  statements.insert(statement([](auto& advert) { advert.seen.pop_back(); }));
  statements.insert(statement([](auto& advert) { std::swap(advert.seen[0], advert.seen[1]); }));
  CHECK(statements.size() == 10);
  CHECK(statements.contains(statement([](auto& advert) { advert.signature.clear(); })));
}

TEST_CASE("another valid signature under an advert leaves ledgers in agreement, but not the cohort") {
  GroupAdvertList list = two();
  const auto digest = advert_digest(kContext, list.adverts[0]);
  const auto cohort = cohort_context(kContext, list);
  list.adverts[0].signature.push_back(std::byte{1});
  CHECK(advert_digest(kContext, list.adverts[0]) == digest);
  CHECK(cohort_context(kContext, list) != cohort);
}

}  // namespace consilium::secagg
