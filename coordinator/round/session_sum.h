#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/aggregation/streaming_sum.h"
#include "common/job/round_order.h"
#include "common/secagg/coordinator_protocol.h"
#include "common/task/metrics.h"
#include "coordinator/round/round_machine.h"

namespace consilium::round {

/// The sum of one open session, and what a plain job is told of each site beside it. In a masked job counts are summed
/// group by group: each group is a sum of its own, with an order and masks of its own, until the masks are off.
class SessionSum {
 public:
  /// Sites whose vectors make one sum, and the order that they get.
  struct Group {
    job::RoundOrder order;
    std::vector<std::string> sites;
  };
  /// Who may collude, and whose signatures count; none where the vectors come without masks.
  struct Masks {
    std::uint32_t colluding = 1;
    std::shared_ptr<const secagg::Authenticator> authenticator;
  };

  /// @param task     of the job
  /// @param told  may each site's counts be looked at, as in a plain job
  /// @param former  a sum that is over, for its memory
  static Result<SessionSum> create(job::SessionKey key, std::vector<Group> groups,
                                   std::shared_ptr<const task::Task> task, bool told, const std::optional<Masks>& masks,
                                   std::optional<SessionSum> former = {});

  [[nodiscard]] const job::SessionKey& key() const { return key_; }
  [[nodiscard]] std::uint64_t word_count() const { return parts_.front().sum.layout().word_count(); }
  [[nodiscard]] bool intact() const;
  /// The readable sum: of the only group, or of all once unmask() has joined them.
  [[nodiscard]] aggregation::StreamingSum& sum() { return parts_.front().sum; }

  /// Would the site's vector be taken now? Under masks it must have shared its keys first.
  Result<void> admits(const std::string& site) const;
  /// Folds one site's vector. Counts that contradict each other are refused and not folded.
  /// @return the site's training examples, in a plain job's census
  Result<std::optional<std::uint64_t>> take(const std::string& site, aggregation::WordSource& words);

  // Masks.

  secagg::Output receive(const std::string& site, const secagg::SiteMessage& message);
  /// The site is out of the session.
  secagg::Output lose(const std::string& site);
  /// Loses every site that is still to advertise or share its keys.
  secagg::Output close_key_agreement();
  /// Do sites still agree on keys? Numbers the phases, so that each can be given its time; 0 where none does.
  [[nodiscard]] unsigned key_phase() const;
  /// The sites of groups whose masks came to nothing, and why.
  [[nodiscard]] std::map<std::string, std::string> stranded() const;
  /// Did they in every group?
  [[nodiscard]] std::optional<std::string> spoiled() const;
  /// Asks the survivors to confirm and reveal.
  secagg::Output close_uploads();
  /// Loses every survivor that is still to confirm or to reveal: groups that need it have failed.
  secagg::Output close_unmasking();
  [[nodiscard]] std::vector<secagg::CoordinatorMessage> owed(const std::string& site) const;
  /// Has every group revealed what takes its masks off, or failed?
  [[nodiscard]] bool unmaskable() const;
  /// Takes the masks off and joins the groups. @return the sites of groups that failed, with the reason
  Result<std::map<std::string, std::string>> unmask(unsigned threads);

  [[nodiscard]] const std::map<std::string, task::Metrics>& site_metrics() const { return site_metrics_; }

 private:
  struct Part {
    std::set<std::string> sites;
    aggregation::StreamingSum sum;
    std::optional<secagg::CoordinatorProtocol> masks;
  };
  SessionSum(job::SessionKey key, std::shared_ptr<const task::Task> task, bool told)
      : key_(std::move(key)), task_(std::move(task)), told_(told) {}
  [[nodiscard]] Part* part_of(const std::string& site);
  [[nodiscard]] const Part* part_of(const std::string& site) const;
  Result<std::optional<std::uint64_t>> take_counts(const std::string& site, aggregation::StreamingSum& sum,
                                                   aggregation::WordSource& words);

  job::SessionKey key_;
  std::shared_ptr<const task::Task> task_;
  bool told_;
  std::vector<Part> parts_;  ///< one at least
  std::map<std::string, task::Metrics> site_metrics_;
};

/// Who sums with whom in a session, and the order that each group gets.
/// @param model  the digest that the job's orders name: of the global model, zero in a census
Result<std::vector<SessionSum::Group>> groups_of(const job::JobSpec& spec, const Rules& rules,
                                                 const OpenSession& action, const crypto::Digest& model);

}  // namespace consilium::round
