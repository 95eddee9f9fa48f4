#include <deque>

#include "common/aggregation/word_source.h"
#include "common/job/cohort_rules.h"
#include "common/job/job_text.h"
#include "common/job/masked_job.h"
#include "common/secagg/agreement_site.h"
#include "common/secagg/agreement_transcript.h"
#include "common/secagg/group_site.h"
#include "common/secagg/group_transcript.h"
#include "coordinator/round/group_runs.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium.h"

// Which commits the coordinator sends to a site that was away. With these the site must be able to check everything
// that follows.
namespace consilium::round {
namespace {

/// A job of two groups of three. Its sites agree on a key, send vectors of zeros, and sign everything that they
/// receive.
class Play {
 public:
  Play() {
    for (std::size_t site = 0; site < consortium_.size(); ++site) {
      agreements_.push_back(
          secagg::AgreementSite::start({{digest_, 1, groups_, 1}, name(site), consortium_.certificate(site)},
                                       consortium_.authenticator(), consortium_.signer(site), random_)
              .value());
    }
  }

  /// Runs one whole sum, up to its commit.
  void run(job::SumKind kind, std::uint32_t round) {
    const job::SessionKey key{"tiny-1", kind, round, 1};
    const crypto::Digest model = kind == job::SumKind::kCensus ? crypto::Digest{} : crypto::sha256("a model");
    deliver(runs_.open({key, spec_.federation.sites, 0}, model, 8, std::chrono::minutes(1), now_));
    deliver(runs_.advance(ready_, now_));
    if (kind == job::SumKind::kCensus) deliver(runs_.advance(ready_, now_));  // the first step agrees on the key
    const crypto::Digest next = crypto::sha256("the next model");
    deliver(runs_.announce({key, 0, next}, crypto::sha256("a total"), 8, next, {}, ready_));
  }

  [[nodiscard]] std::vector<job::SessionKey> commits_for_returned(const std::string& site) {
    std::vector<job::SessionKey> keys;
    for (const auto& [to, message] : runs_.returned(site).messages) {
      CHECK(to == site);
      if (const auto* commit = std::get_if<wire::RoundCommitted>(&message)) keys.push_back(commit->key);
    }
    return keys;
  }

 private:
  static std::string name(std::size_t site) { return secagg::Consortium::name(site); }
  static std::size_t number(const std::string& site) { return std::stoul(site.substr(site.find('-') + 1)); }
  static job::JobSpec job_over(const std::vector<std::vector<std::string>>& groups) {
    std::vector<std::string> sites;
    for (const auto& group : groups) sites.insert(sites.end(), group.begin(), group.end());
    const auto parsed = job::parse_job(
        "name: tiny\nmodel: {layers: [{linear: 2}], input: [3], classes: 2}\ndata: {dataset: chest}\n"
        "training: {local_epochs: 1, batch_size: 10, optimizer: {name: sgd, learning_rate: 0.1}}\n"
        "federation: {rounds: 2}\n",
        "job.yaml");
    return job::with_population(parsed.value(), job::simulated_roster(sites), 1, {"chest", 100, groups, {}}).value();
  }

  void deliver(GroupRuns::Output output) {
    std::deque<std::pair<std::string, wire::CoordinatorMessage>> queue(output.messages.begin(), output.messages.end());
    while (!queue.empty()) {
      const auto [name, message] = std::move(queue.front());
      queue.pop_front();
      const std::size_t site = number(name);  // clang 14 doesn't let a lambda capture a structured binding
      GroupRuns::Output next = std::visit([&](const auto& said) { return answer(site, said); }, message);
      for (const std::string& note : next.notes) FAIL(note);
      for (auto& one : next.messages) queue.push_back(std::move(one));
    }
  }

  GroupRuns::Output answer(std::size_t site, const wire::KeyAgreement& step) {
    std::optional<secagg::AgreementSiteMessage> said = secagg::AgreementSiteMessage(agreements_[site].advert());
    if (!step.message.empty())
      said = agreements_[site].receive(secagg::decode_agreement_coordinator_message(step.message).value()).value();
    if (!said) return {};
    return runs_.receive(name(site), wire::KeyAgreement{step.job_id, step.attempt, secagg::encode(*said)}, now_);
  }

  GroupRuns::Output answer(std::size_t site, const wire::SessionOffer& offer) {
    const job::RoundOrder order = job::decode_round_order(offer.order).value();
    words_ = order.layout.word_count() + 2;
    secagg::GroupSiteSetup setup;
    setup.context =
        secagg::attempt_context(order, secagg::agreement_confirmation(*agreements_[site].key(), digest_).value());
    setup.site = name(site);
    setup.certificate = consortium_.certificate(site);
    setup.members = groups_.at(order.group);
    setup.number = ++adverts_;
    setup.seen.resize(setup.members.size() - 1);
    const auto advertised =
        secagg::GroupSite::start(std::move(setup), consortium_.authenticator(), consortium_.signer(site), random_);
    return runs_.receive(name(site), wire::Masking{offer.key, secagg::encode(advertised->advert())}, now_);
  }

  GroupRuns::Output answer(std::size_t site, const wire::Masking& list) {
    const std::vector<std::uint32_t> zeros(words_);
    aggregation::MemoryWords words(zeros);
    return runs_.take(name(site), list.key, words, now_).value();
  }

  GroupRuns::Output answer(std::size_t site, const wire::GroupTotal& total) {
    const crypto::Digest next = crypto::sha256("the next model");
    secagg::SignedCommit own{{digest_, total.key.kind, total.key.round, {}, next, {}}, {}};
    for (const wire::IncludedSum& sum : total.sums) own.statement.groups.push_back({sum.group, sum.cohort});
    own.signatures.push_back({name(site), consortium_.certificate(site),
                              consortium_.signer(site).sign(secagg::commit_bytes(own.statement)).value()});
    return runs_.receive(name(site), wire::Endorsement{total.key, secagg::encode(own)});
  }

  template <class Other>
  static GroupRuns::Output answer(std::size_t, const Other&) {
    return {};
  }

  secagg::QuickConsortium consortium_{6};
  secagg::SeededRandom random_{1};
  std::vector<std::vector<std::string>> groups_{{name(0), name(1), name(2)}, {name(3), name(4), name(5)}};
  job::JobSpec spec_ = job_over(groups_);
  crypto::Digest digest_ = job::job_digest(spec_);
  std::shared_ptr<const secagg::Authenticator> authenticator_{&consortium_.authenticator(), [](const auto*) {}};
  GroupRuns runs_{"tiny-1", spec_, digest_, authenticator_};
  std::deque<secagg::AgreementSite> agreements_;
  TimePoint now_{};
  GroupRuns::Ready ready_ = [](const std::string&) { return true; };
  std::uint64_t words_ = 0, adverts_ = 0;
};

TEST_CASE("a site that was away hears of the census's commit, and then of the last round's") {
  Play play;
  const std::string site = secagg::Consortium::name(4);
  CHECK(play.commits_for_returned(site).empty());
  play.run(job::SumKind::kCensus, 0);
  const job::SessionKey census{"tiny-1", job::SumKind::kCensus, 0, 1};
  CHECK(play.commits_for_returned(site) == std::vector{census});
  for (std::uint32_t round = 1; round <= 2; ++round) {
    play.run(job::SumKind::kTrain, round);
    CHECK(play.commits_for_returned(site) ==
          std::vector<job::SessionKey>{census, {"tiny-1", job::SumKind::kTrain, round, 1}});
  }
}

}  // namespace
}  // namespace consilium::round
