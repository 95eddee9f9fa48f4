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

/// The sum of one open session and, in a plain job, each site's metrics. In a masked job counts are summed group by
/// group: until the masks have been removed, each group has its own sum, order and masks.
class SessionSum {
 public:
  /// Sites whose vectors make up one sum, and the order that they receive.
  struct Group {
    job::RoundOrder order;
    std::vector<std::string> sites;
  };
  /// How many sites may collude, and whose signatures count. Absent if the vectors come without masks.
  struct Masks {
    std::uint32_t colluding = 1;
    std::shared_ptr<const secagg::Authenticator> authenticator;
  };

  /// @param task    the job's task
  /// @param told    whether each site's counts may be read, as in a plain job
  /// @param former  a finished sum, whose memory is reused
  static Result<SessionSum> create(job::SessionKey key, std::vector<Group> groups,
                                   std::shared_ptr<const task::Task> task, bool told, const std::optional<Masks>& masks,
                                   std::optional<SessionSum> former = {});

  [[nodiscard]] const job::SessionKey& key() const { return key_; }
  [[nodiscard]] std::uint64_t word_count() const { return parts_.front().sum.layout().word_count(); }
  [[nodiscard]] bool intact() const;
  /// Returns the readable sum: that of the only group, or of all groups once unmask() has joined them.
  [[nodiscard]] aggregation::StreamingSum& sum() { return parts_.front().sum; }

  /// Checks that the site's vector would be accepted now. With masks, the site must have shared its keys first.
  Result<void> admits(const std::string& site) const;
  /// Folds one site's vector. Refuses contradictory counts without folding them.
  /// @return the site's training examples, in a plain job's census
  Result<std::optional<std::uint64_t>> take(const std::string& site, aggregation::WordSource& words);

  // Masks.

  secagg::Output receive(const std::string& site, const secagg::SiteMessage& message);
  /// Removes the site from the masking protocol.
  secagg::Output lose(const std::string& site);
  /// Removes every site that hasn't yet advertised or shared its keys.
  secagg::Output close_key_agreement();
  /// Returns the number of the earliest key-agreement phase that a group is in, so that each phase can have its own
  /// time limit; 0 if no group is in one.
  [[nodiscard]] unsigned key_phase() const;
  /// Returns the sites of groups in which masking failed, with the reason.
  [[nodiscard]] std::map<std::string, std::string> stranded() const;
  /// Returns the failure if masking failed in every group.
  [[nodiscard]] std::optional<std::string> spoiled() const;
  /// Asks the survivors to confirm the list and reveal their shares.
  secagg::Output close_uploads();
  /// Removes every survivor that hasn't yet confirmed or revealed. Groups that depend on such a site fail.
  secagg::Output close_unmasking();
  [[nodiscard]] std::vector<secagg::CoordinatorMessage> owed(const std::string& site) const;
  /// Returns true once every group has revealed what is needed to remove its masks, or has failed.
  [[nodiscard]] bool unmaskable() const;
  /// Removes the masks and joins the groups. @return the sites of groups that failed, with the reason
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
  std::vector<Part> parts_;  ///< at least one
  std::map<std::string, task::Metrics> site_metrics_;
};

/// Divides a session's sites into groups that are summed together, and returns them with their orders.
/// @param model  the digest in the job's orders: that of the global model, or zero in a census
Result<std::vector<SessionSum::Group>> groups_of(const job::JobSpec& spec, const Rules& rules,
                                                 const OpenSession& action, const crypto::Digest& model);

}  // namespace consilium::round
