#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/secagg/messages.h"
#include "common/secagg/site_protocol.h"
#include "tests/rogue_coordinator/stage.h"

namespace consilium::rogue {

using Words = std::vector<std::uint32_t>;

/// What an attempt is at, as the coordinator tells those whom it doesn't lie to.
struct Session {
  job::SessionKey key;
  job::JobSpec job;
  crypto::Digest model{};              ///< zero in a census
  std::uint64_t normaliser = 0;        ///< N; 0 but in training
  std::vector<std::string> cohort;     ///< north among them
  std::vector<std::string> exactly{};  ///< counts: the played sites insist on these
};

/// One attempt at a masked sum, step by step. Each step is an honest coordinator's unless the test says something else
/// to north in its place, with tell(); the sites that the test plays are honest throughout.
class Attempt {
 public:
  Attempt(Stage& stage, Session session);

  // Honest steps; each fails the test where north doesn't play along.
  void offer();     ///< the order to all; their adverts come back
  void share();     ///< the adverts to all; their shares come back
  void hand_out();  ///< the boxes to all; their vectors come back
  void confirm();   ///< the survivors to all; their signatures come back
  void unmask();    ///< the signatures to all; their shares come back
  /// From now on this played site says nothing.
  void silence(const std::string& site) { silent_.insert(site); }
  /// What the coordinator has when all is over: the plain sum of the survivors.
  Words sum() const;

  // Lies.
  /// Has the played sites advertise, and north hear of nothing.
  void rehearse() { start_played(); }
  /// Offers north this order, and the others the true one; returns north's advert, if it sent one.
  bool offer(const job::RoundOrder& to_north);
  void tell(const secagg::CoordinatorMessage& message);
  void tell_bytes(std::vector<std::byte> message);
  /// Expects that north has refused, its log says why, and that it says nothing more whatever is asked of it.
  void check_refused(const std::string& why);

  // What an honest coordinator would say to north next, to be altered.
  [[nodiscard]] secagg::AdvertList adverts() const;
  [[nodiscard]] secagg::Boxes boxes(const std::string& site = kNorth) const;
  [[nodiscard]] secagg::Survivors survivors(const std::set<std::string>& without = {}) const;
  [[nodiscard]] secagg::UnmaskRequest unmask_request() const;

  [[nodiscard]] const job::RoundOrder& order() const { return order_; }
  [[nodiscard]] const job::SessionKey& key() const { return session_.key; }
  [[nodiscard]] secagg::Rank rank_of(const std::string& site) const;
  /// An advert of `site` with these keys, signed as it should be by whoever holds the credentials.
  [[nodiscard]] secagg::Advert advert_by(const std::string& site, const Credentials& by, secagg::Advert keys) const;
  /// What a played site sums.
  [[nodiscard]] const Words& plain(const std::string& site) const { return plain_.at(site); }
  /// What north uploaded.
  [[nodiscard]] const Words& masked() const { return masked_.at(kNorth); }

 private:
  void start_played();
  template <class Message>
  Message answer_of_north();
  template <class Message>
  std::optional<Message> answer_of(const std::string& site, const secagg::CoordinatorMessage& asked);
  [[nodiscard]] std::vector<secagg::Rank> sharers() const;

  Stage& stage_;
  Session session_;
  job::RoundOrder order_;
  secagg::RosterAuthenticator authenticator_;
  std::map<std::string, secagg::SiteProtocol> played_;
  std::set<std::string> silent_;
  std::map<std::string, secagg::Advert> adverts_;
  std::map<secagg::Rank, secagg::Shares> shares_;
  std::map<std::string, Words> plain_, masked_;
  std::map<std::string, secagg::Confirmation> confirmations_;
  std::map<std::string, secagg::Reveal> reveals_;
};

/// The different messages of this kind that north has sent, encoded, by session's job, kind and round.
using Sent = std::map<std::tuple<std::string, job::SumKind, std::uint32_t>, std::set<std::string>>;
template <class Message>
[[nodiscard]] Sent sent(Stage& stage) {
  Sent found;
  for (const wire::SiteMessage& message : stage.said()) {
    const auto* masking = std::get_if<wire::Masking>(&message);
    if (masking == nullptr) continue;
    if (!std::holds_alternative<Message>(secagg::decode_site_message(masking->message).value())) continue;
    const auto* first = reinterpret_cast<const char*>(masking->message.data());
    found[{masking->key.job_id, masking->key.kind, masking->key.round}].emplace(first, masking->message.size());
  }
  return found;
}

/// Do these words look like what a site would send without masks: small numbers, most of them?
[[nodiscard]] bool looks_plain(const Words& words);
/// Checks all that north ever said and uploaded: no error text, no vector that looks plain, at most one vector a
/// session, one list of survivors signed a round, and shares revealed only in `revealed` of them, once each.
void check_discreet(Stage& stage, std::size_t revealed);

}  // namespace consilium::rogue
