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

/// What an attempt is about, as the coordinator announces it to the sites that it doesn't deceive.
struct Session {
  job::SessionKey key;
  job::JobSpec job;
  crypto::Digest model{};              ///< zero in a census
  std::uint64_t normaliser = 0;        ///< N; 0 except in training
  std::vector<std::string> cohort;     ///< includes north
  std::vector<std::string> exactly{};  ///< for counts: the group that the played sites require
};

/// One attempt at a masked sum, step by step. Each step is an honest coordinator's unless the test sends north
/// something else with tell(). The sites that the test plays are honest throughout.
class Attempt {
 public:
  Attempt(Stage& stage, Session session);

  // Honest steps. Each fails the test if north doesn't cooperate.
  void offer();     ///< sends the order to all; collects their adverts
  void share();     ///< sends the adverts to all; collects their shares
  void hand_out();  ///< sends the boxes to all; collects their vectors
  void confirm();   ///< sends the survivors to all; collects their signatures
  void unmask();    ///< sends the signatures to all; collects their shares
  /// Makes this played site silent from now on.
  void silence(const std::string& site) { silent_.insert(site); }
  /// Returns what the coordinator has at the end: the plain sum of the survivors.
  Words sum() const;

  // Lies.
  /// Has the played sites advertise, without informing north.
  void rehearse() { start_played(); }
  /// Offers north this order, and the others the true one. Returns north's advert, if it sent one.
  bool offer(const job::RoundOrder& to_north);
  void tell(const secagg::CoordinatorMessage& message);
  void tell_bytes(std::vector<std::byte> message);
  /// Expects that north has refused, that its log says why, and that it ignores all further requests.
  void check_refused(const std::string& why);

  // The messages that an honest coordinator would send to north next, for tests to alter.
  [[nodiscard]] secagg::AdvertList adverts() const;
  [[nodiscard]] secagg::Boxes boxes(const std::string& site = kNorth) const;
  [[nodiscard]] secagg::Survivors survivors(const std::set<std::string>& without = {}) const;
  [[nodiscard]] secagg::UnmaskRequest unmask_request() const;

  [[nodiscard]] const job::RoundOrder& order() const { return order_; }
  [[nodiscard]] const job::SessionKey& key() const { return session_.key; }
  [[nodiscard]] secagg::Rank rank_of(const std::string& site) const;
  /// Returns an advert of `site` with these keys, correctly signed with the given credentials.
  [[nodiscard]] secagg::Advert advert_by(const std::string& site, const Credentials& by, secagg::Advert keys) const;
  /// Returns the vector that a played site sums.
  [[nodiscard]] const Words& plain(const std::string& site) const { return plain_.at(site); }
  /// Returns the vector that north uploaded.
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

/// Returns the different messages of this kind that north has sent, encoded, by the session's job, kind and round.
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

/// Returns true if these words look like those of a site without masks: most of them are small numbers.
[[nodiscard]] bool looks_plain(const Words& words);
/// Checks everything that north ever sent and uploaded: no error text, no vector that looks plain, at most one vector
/// in a session, one list of survivors signed in a round, and shares revealed only in `revealed` of them, once each.
void check_discreet(Stage& stage, std::size_t revealed);

}  // namespace consilium::rogue
