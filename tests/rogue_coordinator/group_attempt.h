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

/// Mode `masked` against the real client: the test plays the coordinator, which may lie, and all sites but north, which
/// are honest but for what they tell the coordinator afterwards.
namespace consilium::rogue {

using Words = std::vector<std::uint32_t>;

/// What the coordinator has of one group when everybody's vector is in.
struct GroupSum {
  std::uint32_t group = 0;
  crypto::Digest cohort{};
  Words words;  ///< without the tag
  secagg::FieldElement tag = 0;
};

/// A job that north accepted, and what the coordinator and the played sites know of it.
class GroupJob {
 public:
  /// Offers the job to north, which accepts it.
  GroupJob(Stage& stage, job::JobSpec job, std::string job_id = "rogue-1");

  /// All sites agree on a key; again with the next try. The key is then known here, as it is to each played site.
  void agree(std::uint32_t attempt = 1);
  /// The same, up to north's last answer, which is not awaited: tell_last() then gives north its key.
  void agree_but_last(std::uint32_t attempt);
  void tell_last();
  /// Gives north the same message, and awaits nothing.
  void send_last() { tell(*last_); }

  /// The sum of a group that only played sites are in, as an honest coordinator gets it.
  [[nodiscard]] GroupSum played_sum(job::SumKind kind, std::uint32_t round, std::uint32_t group) const;
  /// One sum of each group that the job sums: north's, and those of played sites.
  std::vector<GroupSum> sums(job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1);
  /// The total of these sums, which north may fetch.
  wire::GroupTotal total(job::SumKind kind, std::uint32_t round, const std::vector<GroupSum>& sums);
  /// Tells north of a total; returns what it signs.
  std::optional<secagg::SignedCommit> endorsement(const wire::GroupTotal& total);
  /// A commit of this statement, signed by these sites (north's signature is taken from its endorsement).
  [[nodiscard]] secagg::SignedCommit signed_by(const secagg::CommitStatement& statement,
                                               const std::vector<std::string>& sites) const;
  /// The statement that follows from these sums by the job's own rules; of a round the model is then fetchable.
  secagg::CommitStatement statement(job::SumKind kind, std::uint32_t round, const std::vector<GroupSum>& sums);
  /// What the played sites could sign of a round that north had no part in.
  [[nodiscard]] secagg::CommitStatement outcome(std::uint32_t round, const crypto::Digest& next) const {
    return {digest_, job::SumKind::kTrain, round, {{own_group(), digest_}}, next, digest_};
  }
  /// Tells north of a commit, and returns once it was taken or refused.
  void send(const secagg::SignedCommit& commit);
  /// One whole honest sum: everybody's vectors, north's endorsement, everybody's commit.
  std::vector<GroupSum> run(job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1);
  /// Agreement, and the census.
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
  /// What a played site sums.
  [[nodiscard]] static Words words_of(const std::string& site, const job::RoundOrder& order);

  /// Expects that this job is over for north, because of something that its log says.
  void check_over(job::SumKind kind, std::uint32_t round, const std::string& why);

  Stage& stage;
  // What the played sites keep.
  crypto::SecretBytes agreed;                               ///< K
  std::map<std::string, std::uint64_t> adverts{};           ///< how many each has made
  std::map<std::string, std::vector<secagg::Seen>> seen{};  ///< of the other members of north's group
  crypto::Digest model{};                                   ///< that the next round begins with
  task::LabelCounts labels{};                               ///< of the census, where class weights are balanced
  [[nodiscard]] const job::JobSpec& job() const { return job_; }
  [[nodiscard]] const crypto::Digest& digest() const { return digest_; }
  [[nodiscard]] const secagg::RosterAuthenticator& authenticator() const { return authenticator_; }

 private:
  void tell(const secagg::AgreementCoordinatorMessage& message);
  /// What these sums of a census counted.
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

/// One attempt at the sum of north's group. Each step is an honest coordinator's unless the test tells north something
/// else in its place.
class GroupAttempt {
 public:
  GroupAttempt(GroupJob& job, job::SumKind kind, std::uint32_t round, std::uint32_t attempt = 1);

  /// Offers north this order, and the others the true one. @return whether north advertised
  bool offer(const job::RoundOrder& to_north);
  bool offer() { return offer(order_); }
  /// Gives everybody the adverts of all.
  void list();
  /// Gives north these adverts.
  void tell(const secagg::GroupAdvertList& list);
  [[nodiscard]] secagg::GroupAdvertList adverts() const;
  /// North's vector, masked; nullopt where it sends none.
  std::optional<Words> upload();
  /// The sum, from the vectors of all. Records, as the played sites do, under which adverts they have uploaded.
  GroupSum sum();
  /// What north has hidden: the sum without what the played sites put into it.
  static Words hidden(const GroupJob& job, const job::RoundOrder& order, GroupSum sum);

  /// Expects that north has refused the attempt without a word to the coordinator, and why.
  void check_refused(const std::string& why);
  [[nodiscard]] const job::RoundOrder& order() const { return order_; }
  [[nodiscard]] const job::SessionKey& key() const { return key_; }

 private:
  GroupJob& job_;
  job::SessionKey key_;
  job::RoundOrder order_;
  crypto::SecretBytes agreed_;  ///< K when the attempt began
  std::vector<std::string> group_;
  std::map<std::string, secagg::GroupSite> played_;
  std::map<std::string, secagg::GroupAdvert> adverts_;
  std::optional<Words> north_;
};

}  // namespace consilium::rogue
