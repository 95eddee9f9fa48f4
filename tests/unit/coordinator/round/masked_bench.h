#pragma once

#include <functional>
#include <memory>

#include "common/job/cohort_rules.h"
#include "common/secagg/site_protocol.h"
#include "common/secagg/transcript.h"
#include "tests/unit/common/secagg/consortium.h"
#include "tests/unit/coordinator/round/driver_bench.h"

namespace consilium::round {

/// A site's planned behaviour in a masked session.
enum class At : std::uint8_t { kAdvertise, kShare, kUpload, kConfirm, kReveal };

/// A driver of a masked job, and its sites as real protocol machines in this process. The driver's messages wait until
/// pump() lets the sites answer, repeatedly until nobody sends anything.
class MaskedBench {
 public:
  struct Trouble {
    job::SumKind kind = job::SumKind::kTrain;
    std::uint32_t round = 1;
    At at = At::kAdvertise;
    bool silent = false;  ///< it stays connected but silent; otherwise it disconnects
  };

  static job::JobSpec job_of(std::size_t sites) {
    job::JobSpec spec = some_job();
    spec.federation.rounds = 2;
    spec.federation.sites = names(sites);
    for (const std::string& site : spec.federation.sites) spec.federation.roster[site] = crypto::sha256(site);
    spec.federation.quorum = 0.6;
    spec.privacy.secure_aggregation = job::SecureAggregation::kRequired;
    spec.privacy.colluding_sites = 1;
    spec.strategy.weighting = job::Weighting::kPopulation;
    spec.evaluation.every = 0;
    return spec;
  }
  static std::vector<std::string> names(std::size_t sites) { return secagg::QuickConsortium(sites).names(); }
  /// Unusual numbers, none of which is part of another.
  static std::map<std::string, std::uint64_t> examples_of(std::size_t sites) {
    std::map<std::string, std::uint64_t> examples;
    std::uint64_t n = 70'001;
    for (const std::string& name : names(sites)) examples[name] = n += 1013;
    return examples;
  }

  explicit MaskedBench(job::JobSpec spec)
      : consortium(std::make_shared<secagg::QuickConsortium>(spec.federation.sites.size())),
        bench(spec, nullptr, std::shared_ptr<const secagg::Authenticator>(consortium, &consortium->authenticator())) {
    bench.examples = examples_of(spec.federation.sites.size());
    for (std::size_t i = 0; i < consortium->size(); ++i) {
      Site& site = sites[consortium->name(i)];
      site.number = i;
      bench.sent[consortium->name(i)];
    }
  }

  void start() {
    bench.driver->begin(bench.now);
    for (auto& [name, site] : sites) connect(name);
    pump();
  }

  void connect(const std::string& name) {
    Site& site = sites.at(name);
    site.connected = true;
    site.silent = false;
    site.read = bench.sent.at(name).size();  // messages sent meanwhile are lost
    bench.driver->site_connected(name, bench.now);
  }

  void pass(Clock::duration time) {
    bench.now += time;
    bench.driver->tick(bench.now);
    pump();
  }

  void pump() {
    for (bool spoke = true; spoke;) {
      spoke = false;
      for (auto& [name, site] : sites) {
        while (site.read < bench.sent.at(name).size()) {
          const wire::CoordinatorMessage message = bench.sent.at(name)[site.read++];
          if (!site.connected || site.silent) continue;
          std::visit([&, &name = name, &site = site](const auto& body) { on(name, site, body); }, message);
          spoke = true;
        }
      }
    }
  }

  [[nodiscard]] const report::JobStatus& status() const { return bench.driver->status(); }

  struct Site {
    std::size_t number = 0;
    bool connected = false;
    bool silent = false;
    std::size_t read = 0;  ///< number of messages to it that it has read
    job::SessionKey key;
    std::optional<secagg::SiteProtocol> protocol;
    std::optional<std::vector<std::string>> members;        ///< of its group, from the census
    std::map<crypto::Digest, std::vector<std::byte>> said;  ///< answers of this session, by the request
    std::vector<std::string> refused;                       ///< what the coordinator refused, and why
    std::map<job::SessionKey, std::string> closed;          ///< sessions that the coordinator closed
  };

  std::shared_ptr<secagg::QuickConsortium> consortium;
  Bench bench;
  std::map<std::string, Site> sites;
  std::map<std::string, Trouble> troubles;  ///< each happens once
  /// Changes what a site sends.
  std::function<void(const std::string&, const job::SessionKey&, secagg::SiteMessage&)> lie;

 private:
  /// Returns true if the site's trouble is due, and lets it happen.
  bool fails_at(const std::string& name, Site& site, At at) {
    const auto trouble = troubles.find(name);
    if (trouble == troubles.end() || trouble->second.kind != site.key.kind || trouble->second.round != site.key.round ||
        trouble->second.at != at)
      return false;
    const bool silent = trouble->second.silent;
    troubles.erase(trouble);
    (silent ? site.silent : site.connected) = silent;
    if (!silent) bench.driver->site_left(name, bench.now);
    return true;
  }

  std::vector<std::byte> say(const std::string& name, const Site& site, secagg::SiteMessage message) {
    if (lie) lie(name, site.key, message);
    std::vector<std::byte> bytes = secagg::encode(message);
    bench.driver->masking_received(name, {site.key, bytes}, bench.now);
    return bytes;
  }

  void on(const std::string& name, Site&, const wire::JobOffer&) {
    bench.driver->job_answer(name, {"tiny-1", wire::JobConsent::kAccepted, ""}, bench.now);
  }

  void on(const std::string& name, Site& site, const wire::SessionOffer& offer) {
    site.key = offer.key;
    site.protocol.reset();
    site.said.clear();
    if (fails_at(name, site, At::kAdvertise)) return;
    const job::RoundOrder order = job::decode_round_order(offer.order).value();
    secagg::SiteSetup setup;
    setup.context = secagg::attempt_context(order);
    setup.site = name;
    setup.certificate = consortium->certificate(site.number);
    setup.colluding = job::colluding_sites(bench.spec);
    setup.eligible = offer.key.kind == job::SumKind::kTrain ? bench.spec.federation.sites
                                                            : job::count_groups(bench.spec).at(order.group);
    if (offer.key.kind == job::SumKind::kEvaluate) setup.exactly = site.members;
    site.protocol =
        secagg::SiteProtocol::start(setup, consortium->authenticator(), consortium->signer(site.number), random_)
            .value();
    say(name, site, site.protocol->advert());
  }

  void on(const std::string& name, Site& site, const wire::Masking& masking) {
    if (masking.key != site.key) return;
    if (const auto said = site.said.find(crypto::sha256(masking.message)); said != site.said.end()) {
      bench.driver->masking_received(name, {site.key, said->second}, bench.now);
      return;
    }
    if (!site.protocol) return;
    const auto message = secagg::decode_coordinator_message(masking.message).value();
    if (fails_at(name, site, static_cast<At>(message.index() + 1))) return;
    auto answer = site.protocol->receive(message);
    if (!answer) {
      site.refused.push_back(answer.error().message);
      site.protocol.reset();
      bench.driver->site_failed(name, site.key, "failed: permission_denied", bench.now);
      return;
    }
    if (const auto* survivors = std::get_if<secagg::Survivors>(&message);
        survivors != nullptr && site.key.kind == job::SumKind::kCensus)
      site.members = site.protocol->names_of(*survivors);
    if (*answer) site.said[crypto::sha256(masking.message)] = say(name, site, **answer);
    if (site.protocol->keyed()) send_vector(name, site);
  }

  void send_vector(const std::string& name, Site& site) {
    std::vector<std::uint32_t> words = bench.words_of(name);
    const std::vector<secagg::MaskTerm> masks = site.protocol->take_masks().value();
    REQUIRE(secagg::add_masks(masks, 0, words, 1).has_value());
    if (!bench.upload(name, words)) site.protocol.reset();  // its group has failed meanwhile
  }

  void on(const std::string&, Site& site, const wire::SessionClosed& closed) {
    site.closed[closed.key] = closed.reason;
    if (closed.key == site.key) site.protocol.reset();
  }
  void on(const std::string&, Site& site, const wire::JobEnded&) { site.protocol.reset(); }
  // For jobs over whole groups, in which these sites take no part.
  void on(const std::string&, Site&, const wire::KeyAgreement&) { FAIL("a key agreement in mode masked-threshold"); }
  void on(const std::string&, Site&, const wire::GroupTotal&) { FAIL("a total of groups in mode masked-threshold"); }
  void on(const std::string&, Site&, const wire::RoundCommitted&) { FAIL("a commit in mode masked-threshold"); }

  secagg::SeededRandom random_{42};
};

}  // namespace consilium::round
