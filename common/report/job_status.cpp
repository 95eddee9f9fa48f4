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

}  // namespace consilium::report
