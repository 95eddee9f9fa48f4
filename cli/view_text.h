#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/report/job_status.h"

/// Pieces of text that the tables and the plain lines of jobs have in common.
namespace consilium::cli {

/// Returns the number of columns that UTF-8 text takes on a terminal, if every character is one column wide.
[[nodiscard]] int columns(std::string_view text);
/// Returns how many bytes the first `width` columns of the text take.
[[nodiscard]] std::size_t bytes_of(std::string_view text, int width);
/// Shortens the text to `width` columns, and ends it with an ellipsis if anything was cut.
[[nodiscard]] std::string fit(const std::string& text, int width);

/// Returns true if the job has ended.
[[nodiscard]] bool over(report::JobPhase phase);
/// Returns whether the job's sums are masked, as a sentence.
[[nodiscard]] std::string masks_text(const report::JobStatus& status);
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
