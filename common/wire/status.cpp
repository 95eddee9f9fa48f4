#include "common/wire/status.h"

#include <grpcpp/support/status.h>

#include <array>
#include <utility>

#include "common/wire/limits.h"
#include "common/wire/text.h"

namespace consilium::wire {

namespace {

constexpr std::array<std::pair<ErrorCode, grpc::StatusCode>, 12> kCodes{{
    {ErrorCode::kInvalidArgument, grpc::StatusCode::INVALID_ARGUMENT},
    {ErrorCode::kNotFound, grpc::StatusCode::NOT_FOUND},
    {ErrorCode::kAlreadyExists, grpc::StatusCode::ALREADY_EXISTS},
    {ErrorCode::kPermissionDenied, grpc::StatusCode::PERMISSION_DENIED},
    {ErrorCode::kUnauthenticated, grpc::StatusCode::UNAUTHENTICATED},
    {ErrorCode::kFailedPrecondition, grpc::StatusCode::FAILED_PRECONDITION},
    {ErrorCode::kResourceExhausted, grpc::StatusCode::RESOURCE_EXHAUSTED},
    {ErrorCode::kUnavailable, grpc::StatusCode::UNAVAILABLE},
    {ErrorCode::kDeadlineExceeded, grpc::StatusCode::DEADLINE_EXCEEDED},
    {ErrorCode::kCancelled, grpc::StatusCode::CANCELLED},
    {ErrorCode::kDataLoss, grpc::StatusCode::DATA_LOSS},
    {ErrorCode::kInternal, grpc::StatusCode::INTERNAL},
}};

}  // namespace

grpc::Status to_status(const Error& error) {
  grpc::StatusCode code = grpc::StatusCode::INTERNAL;
  for (const auto& [ours, theirs] : kCodes) {
    if (ours == error.code) code = theirs;
  }
  return {code, clean_text(error.message, kMaxReasonBytes)};
}

Error error_from(const grpc::Status& status) {
  // gRPC reports UNKNOWN if a connection breaks during a call.
  ErrorCode code = status.error_code() == grpc::StatusCode::UNKNOWN ? ErrorCode::kUnavailable : ErrorCode::kInternal;
  for (const auto& [ours, theirs] : kCodes) {
    if (theirs == status.error_code()) code = ours;
  }
  return {code, clean_text(status.error_message(), kMaxReasonBytes)};
}

}  // namespace consilium::wire
