#include "client/session/told_failure.h"

#include <spdlog/fmt/fmt.h>

#include <string_view>

#include "common/job/job_text.h"

namespace consilium::session {
namespace {

std::string_view failed_step(const ActiveSession& session) {
  switch (session.step) {
    case Step::kFetching:
      return "fetching the model failed";
    case Step::kUploading:
      return "uploading failed";
    case Step::kWorking:
    case Step::kAwaitingMasks:
      break;
  }
  switch (session.order.kind) {
    case job::SumKind::kCensus:
      return "census failed";
    case job::SumKind::kTrain:
      return "training failed";
    case job::SumKind::kEvaluate:
      return "evaluation failed";
  }
  return "failed";
}

}  // namespace

std::string words_for_log(const ActiveSession& session, const Error& error) {
  return fmt::format("{}: {}: {}", job::to_string(session.key), failed_step(session), error.message);
}

wire::SessionFailed what_is_told(const ActiveSession& session, const Error& error) {
  wire::SessionFailed failed{session.key, error.code, fmt::format("{}: {}", failed_step(session), error.message)};
  failed.reason =
      fmt::format("{}: {}; the site's log says why", failed_step(session), name_of(error.code));  // check: words-stay
  if (!session.masked) return failed;
  failed.reason.clear();                                                   // check: masked-words-stay
  if (session.step == Step::kWorking) failed.code = ErrorCode::kInternal;  // check: masked-codes-alike
  return failed;
}

}  // namespace consilium::session
