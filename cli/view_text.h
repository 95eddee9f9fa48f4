#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/report/job_status.h"

/// Pieces of text that the table and the plain lines of a job have in common.
namespace consilium::cli {

/// Returns true if the job has ended.
[[nodiscard]] bool over(report::JobPhase phase);
/// Returns the heading of the loss on a split: "val loss", or "loss" if the split is unknown.
[[nodiscard]] std::string loss_label(const std::string& split);
/// Returns the number with so many digits after the point, or "-" if there is none or it isn't finite.
[[nodiscard]] std::string number(const std::optional<double>& value, int decimals);
/// Returns a metric of a round's evaluation, or "-".
[[nodiscard]] std::string metric_text(const report::RoundRecord& record, std::string_view name, int decimals);
/// Returns "south: REASON", without control characters.
[[nodiscard]] std::string failure_text(const std::string& site, const std::string& reason);
[[nodiscard]] std::string not_evaluated_text(const std::string& site, const std::string& reason);
/// Returns the sites that take no part in the job, with the reason: they declined, or their data don't fit.
[[nodiscard]] std::map<std::string, std::string> absent_sites(const report::JobStatus& status);

}  // namespace consilium::cli
