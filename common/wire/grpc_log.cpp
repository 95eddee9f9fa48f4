#include "common/wire/grpc_log.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>

#include <string>

#include "common/logging/event.h"

namespace consilium::wire {

void route_grpc_log(GrpcLog where) {
  static constexpr auto kFor = [](logging::Event event, const gpr_log_func_args& entry) {
    if (entry.severity == GPR_LOG_SEVERITY_ERROR) logging::event(event, {}, "gRPC: " + std::string(entry.message));
  };
  switch (where) {
    case GrpcLog::kWarning:
      gpr_set_log_function([](gpr_log_func_args* entry) { kFor(logging::Event::kGrpcError, *entry); });
      break;
    case GrpcLog::kDebug:
      gpr_set_log_function([](gpr_log_func_args* entry) { kFor(logging::Event::kGrpcDetail, *entry); });
      break;
    case GrpcLog::kNowhere:
      gpr_set_log_function([](gpr_log_func_args* /*entry*/) {});
      break;
  }
  google::protobuf::SetLogHandler(nullptr);  // malformed messages are refused, and logged with their peer's name
}

}  // namespace consilium::wire
