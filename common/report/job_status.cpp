#include "common/report/job_status.h"

namespace consilium::report {

std::string_view name_of(JobPhase phase) {
  switch (phase) {
    case JobPhase::kQueued:
      return "queued";
    case JobPhase::kRecruiting:
      return "recruiting";
    case JobPhase::kCensus:
      return "census";
    case JobPhase::kTraining:
      return "training";
    case JobPhase::kEvaluating:
      return "evaluating";
    case JobPhase::kFinished:
      return "finished";
    case JobPhase::kStopped:
      return "stopped";
    case JobPhase::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string awaited_text(const JobStatus& status) {
  if (status.phase != JobPhase::kTraining && status.phase != JobPhase::kEvaluating) return {};
  std::string text;
  for (std::string_view rest = status.detail; !rest.empty();) {
    const std::size_t end = rest.find("; ");
    const std::string_view clause = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 2);
    if (clause.find("waits for ") == std::string_view::npos &&
        clause.find("begins anew after") == std::string_view::npos)
      continue;
    text.append(text.empty() ? "" : "; ").append(clause);
  }
  return text;
}

}  // namespace consilium::report
