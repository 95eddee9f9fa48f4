#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/parameters/parameter_manifest.h"
#include "common/secagg/agreement_messages.h"
#include "common/secagg/commit.h"
#include "common/secagg/field.h"
#include "common/secagg/group_messages.h"
#include "common/secagg/group_site.h"
#include "common/secagg/roster_authenticator.h"
#include "tests/rogue_coordinator/stage.h"

/// Mode `masked` against the real client. The test plays the coordinator, which can lie, and all sites but north. These
/// are honest except for what they reveal to the coordinator afterwards.
namespace consilium::rogue {

using Words = std::vector<std::uint32_t>;

/// What the coordinator has of one group once all vectors have arrived.
struct GroupSum {
  std::uint32_t group = 0;
  crypto::Digest cohort{};
  Words words;  ///< without the tag
  secagg::FieldElement tag = 0;
};

/// A job that north accepted, and what the coordinator and the played sites know about it.
class GroupJob {
 public:
  /// Offers the job to north, which accepts it.
  GroupJob(Stage& stage, job::JobSpec job, std::string job_id = "rogue-1");

  /// Makes all sites agree on a key; when called again, with the next try. The test then knows the key, as each played
  /// site does.
  void agree(std::uint32_t attempt = 1);
  /// Does the same up to north's last answer, and doesn't wait for it. tell_last() then gives north its key.
  void agree_but_last(std::uint32_t attempt);
  void tell_last();
  /// Sends north the same message again without waiting for an answer.
  void send_last() { tell(*last_); }

  /// Returns the sum of a group of played sites only, as an honest coordinator gets it.
  [[nodiscard]] GroupSum played_sum(job::SumKind kind, std::uint32_t round, std::uint32_t group) const;
  /// Returns one sum of each group that the job sums: north's, and those of played sites.
  std::vector<GroupSum> sums(job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1);
  /// Returns the total of these sums, which north can fetch.
  wire::GroupTotal total(job::SumKind kind, std::uint32_t round, const std::vector<GroupSum>& sums);
  /// Sends north a total. Returns what it signs.
  std::optional<secagg::SignedCommit> endorsement(const wire::GroupTotal& total);
  /// Returns a commit of this statement, signed by these sites (north's signature is taken from its endorsement).
  [[nodiscard]] secagg::SignedCommit signed_by(const secagg::CommitStatement& statement,
                                               const std::vector<std::string>& sites) const;
  /// Returns the statement that follows from these sums by the job's own rules. For a round, north can then fetch the
  /// model.
  secagg::CommitStatement statement(job::SumKind kind, std::uint32_t round, const std::vector<GroupSum>& sums);
  /// Returns what the played sites could sign for a round in which north took no part.
  [[nodiscard]] secagg::CommitStatement outcome(std::uint32_t round, const crypto::Digest& next) const {
    return {digest_, job::SumKind::kTrain, round, {{own_group(), digest_}}, next, digest_};
  }
  /// Sends north a commit, and returns once it was accepted or refused.
  void send(const secagg::SignedCommit& commit);
  /// Plays one whole honest sum: all vectors, north's endorsement, the commit of all sites.
  std::vector<GroupSum> run(job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1);
  /// Plays the agreement and the census.
  void begin();

  [[nodiscard]] job::SessionKey key(job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1) const {
    return {id_, kind, round, attempt};
  }
  [[nodiscard]] job::RoundOrder order(const job::SessionKey& key, std::uint32_t group) const;
  [[nodiscard]] const std::vector<std::vector<std::string>>& groups() const { return job_.population->groups; }
  /// Index of north's group.
  [[nodiscard]] std::uint32_t own_group() const;
  /// All sites but north.
  [[nodiscard]] std::vector<std::string> played() const;
  /// Returns the vector that a played site sums.
  [[nodiscard]] static Words words_of(const std::string& site, const job::RoundOrder& order);

  /// Expects that this job is over for north for a reason that its log states.
  void check_over(job::SumKind kind, std::uint32_t round, const std::string& why);

  Stage& stage;
  // What the played sites keep.
  crypto::SecretBytes agreed;                               ///< K
  std::map<std::string, std::uint64_t> adverts{};           ///< number of adverts that each has made
  std::map<std::string, std::vector<secagg::Seen>> seen{};  ///< by the other members of north's group
  crypto::Digest model{};                                   ///< the model that the next round starts from
  task::LabelCounts labels{};                               ///< of the census, if class weights are balanced
  [[nodiscard]] const job::JobSpec& job() const { return job_; }
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }
  [[nodiscard]] const secagg::RosterAuthenticator& authenticator() const { return authenticator_; }

 private:
  void tell(const secagg::AgreementCoordinatorMessage& message);
  /// Returns what these sums of a census counted.
  [[nodiscard]] task::LabelCounts labels_in(const std::vector<GroupSum>& sums) const;

  job::JobSpec job_;
  std::string id_;
  crypto::Digest digest_{};
  secagg::RosterAuthenticator authenticator_;
  ParameterVector weights_;
  std::uint32_t try_ = 0;
  std::optional<secagg::AgreementCoordinatorMessage> last_;
  crypto::SecretBytes agreed_next_;
};

/// One attempt at the sum of north's group. Each step is an honest coordinator's unless the test sends north something
/// else.
class GroupAttempt {
 public:
  GroupAttempt(GroupJob& job, job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1);

  /// Offers north this order, and the others the true one. @return whether north advertised
  bool offer(const job::RoundOrder& to_north);
  bool offer() { return offer(order_); }
  /// Sends everybody the adverts of all.
  void list();
  /// Sends north these adverts.
  void tell(const secagg::GroupAdvertList& list);
  [[nodiscard]] secagg::GroupAdvertList adverts() const;
  /// Returns north's masked vector; nullopt if it sends none.
  std::optional<Words> upload();
  /// Returns the sum of all vectors. Like the played sites, records under which adverts they have uploaded.
  GroupSum sum();
  /// Returns the vector that north has hidden: the sum without the played sites' vectors.
  static Words hidden(const GroupJob& job, const job::RoundOrder& order, GroupSum sum);

  /// Expects that north has refused the attempt without a message to the coordinator, and for this reason.
  void check_refused(const std::string& why);
  [[nodiscard]] const job::RoundOrder& order() const { return order_; }
  [[nodiscard]] const job::SessionKey& key() const { return key_; }

 private:
  GroupJob& job_;
  job::SessionKey key_;
  job::RoundOrder order_;
  crypto::SecretBytes agreed_;  ///< K at the start of the attempt
  std::vector<std::string> group_;
  std::map<std::string, secagg::GroupSite> played_;
  std::map<std::string, secagg::GroupAdvert> adverts_;
  std::optional<Words> north_;
};

}  // namespace consilium::rogue
