#include "common/wire/conversions.h"

#include <grpcpp/support/status.h>

#include <limits>

#include "common/wire/limits.h"
#include "common/wire/report_conversions.h"
#include "common/wire/status.h"
#include "tests/catch.h"

using namespace consilium;
using namespace consilium::wire;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }
const job::JobSignature kSignature{"spiffe://lung/coordinator/hub", -1, "-----BEGIN\n", {std::byte{0}, std::byte{255}}};
const job::SessionKey kKey{"chest-xray-1", job::SumKind::kEvaluate, 20, 3};

}  // namespace

TEST_CASE("every message comes back as it was sent") {
  const std::vector<std::byte> order{std::byte{0}, std::byte{255}, std::byte{10}};
  for (const SiteMessage& message : std::vector<SiteMessage>{
           SiteHello{"consilium-client 0.1.0", {"chest", "Häute"}}, SiteHello{"x", {}},
           JobAnswer{"job-1", JobConsent::kAccepted, ""}, JobAnswer{"job-1", JobConsent::kWaits, ""},
           JobAnswer{"job-1", JobConsent::kDeclined, "max_rounds"}, SessionProgress{kKey, SitePhase::kFetching},
           SessionProgress{kKey, SitePhase::kUploading}, SessionPartial{kKey},
           SessionFailed{kKey, ErrorCode::kInvalidArgument, ""},
           SessionFailed{kKey, ErrorCode::kInternal, "training failed: CUDA out of memory"}}) {
    CHECK(decode_site_message(bytes_of(encode(message))).value() == message);
  }
  for (const CoordinatorMessage& message :
       std::vector<CoordinatorMessage>{JobOffer{"job-1", "{\"name\":\"chest\"}", kSignature},
                                       SessionOffer{kKey, order, 123'456'789'012 % kMaxBlobBytes},
                                       SessionOffer{{"job-1", job::SumKind::kCensus, 0, 1}, order, 0},
                                       SessionClosed{kKey, "deadline"}, JobEnded{"job-1", "stopped by marie"}}) {
    CHECK(decode_coordinator_message(bytes_of(encode(message))).value() == message);
  }
}

TEST_CASE("what we send is cut and cleaned, so that no peer refuses it") {
  const SessionFailed failed{kKey, ErrorCode::kInternal, std::string(10'000, 'x') + "\n"};
  const auto received = decode_site_message(bytes_of(encode(SiteMessage(failed)))).value();
  CHECK(std::get<SessionFailed>(received).reason.size() == kMaxReasonBytes);
  const SiteHello hello{"name\x1b[31m", std::vector<std::string>(1000, "chest")};
  CHECK(std::get<SiteHello>(decode_site_message(bytes_of(encode(SiteMessage(hello)))).value()).datasets.size() ==
        kMaxDatasets);
}

TEST_CASE("every error code crosses as a status and comes back") {
  for (int code = 0; code <= static_cast<int>(ErrorCode::kInternal); ++code) {
    const Error error{static_cast<ErrorCode>(code), "why"};
    const grpc::Status status = to_status(error);
    CHECK_FALSE(status.ok());
    CHECK(error_from(status).code == error.code);
    CHECK(error_from(status).message == "why");
  }
  CHECK(error_from({grpc::StatusCode::UNKNOWN, "Stream removed"}).code == ErrorCode::kUnavailable);
  CHECK(error_from({grpc::StatusCode::UNIMPLEMENTED, ""}).code == ErrorCode::kInternal);
  CHECK(to_status({ErrorCode::kInternal, std::string(100'000, 'x') + "\r\n"}).error_message().size() ==
        kMaxReasonBytes);
}

TEST_CASE("a job's status with nothing in it comes back, and NaN in it is refused") {
  report::JobStatus status;
  status.job_id = "job-1";
  status.name = "job";
  const auto back = decode_job_status(bytes_of(encode(status))).value();
  CHECK(back.job_id == "job-1");
  CHECK_FALSE(back.model);
  CHECK_FALSE(back.eta_seconds);
  status.eta_seconds = std::numeric_limits<double>::quiet_NaN();
  CHECK_FALSE(decode_job_status(bytes_of(encode(status))));
}
