#include "coordinator/scheduled_job.h"

#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/job/job_spec.h"
#include "common/logging/event.h"

namespace consilium::coordinator {
namespace {

/// Passes a site's message to a driver, according to its kind.
struct Receiver {
  round::JobDriver& driver;
  const std::string& site;
  ScheduledJob::Time now;

  void operator()(const wire::SiteHello&) const {}
  void operator()(const wire::JobAnswer& said) const {
    if (said.consent == wire::JobConsent::kDeclined)
      logging::event(logging::Event::kJobDeclined, {.job = said.job_id, .site = site},
                     fmt::format("job {}: site {} declined: {}", said.job_id, site, said.reason));
    if (said.consent == wire::JobConsent::kWaits)
      logging::event(logging::Event::kJobAwaitsApproval, {.job = said.job_id, .site = site},
                     fmt::format("job {}: waits for approval at {}", said.job_id, site));
    driver.job_answer(site, said, now);
  }
  void operator()(const wire::SessionProgress& said) const { driver.progress(site, said); }
  void operator()(const wire::SessionPartial& said) const { driver.partial_received(site, said.key, now); }
  void operator()(const wire::Masking& said) const { driver.masking_received(site, said, now); }
  void operator()(const wire::KeyAgreement& said) const { driver.key_agreement_received(site, said, now); }
  void operator()(const wire::Endorsement& said) const { driver.endorsement_received(site, said, now); }
  void operator()(const wire::SessionFailed& said) const {
    const std::string reason = said.reason.empty() ? failure_in_words(said.code) : said.reason;
    logging::event(logging::Event::kSiteFailed, {.job = said.key.job_id, .site = site, .round = said.key.round},
                   fmt::format("{}: site {}: {}", job::to_string(said.key), site, reason));
    driver.site_failed(site, said.key, reason, now);
  }
};

/// Returns the metric by which the job's rounds are compared. If the job names none, it is the most important one.
const task::Metric* shown_metric(const task::Metrics& metrics, const job::JobSpec& spec) {
  if (!spec.evaluation.metric.empty()) return metrics.find(spec.evaluation.metric);
  if (metrics.values.empty()) return nullptr;
  const bool loss_first = metrics.values.front().name == "loss" && metrics.values.size() > 1;
  return &metrics.values[loss_first ? 1 : 0];
}

}  // namespace

report::JobStatus ScheduledJob::status() const {
  report::JobStatus shown = driver->status();
  const auto readiness = driver->readiness();
  if (!readiness) return shown;  // a session is open, or the job has ended
  if (*readiness == round::Readiness::kAble) {
    if (!obstacle) return shown;  // slots are about to be assigned
    shown.phase = report::JobPhase::kQueued;
    shown.detail = admission::text_of(*obstacle);
    return shown;
  }
  if (const auto until = driver->gives_up()) {
    const auto wall = std::chrono::system_clock::now() +
                      std::chrono::duration_cast<std::chrono::seconds>(*until - round::Clock::now());
    shown.detail += fmt::format("; the job fails if too few come until {:%Y-%m-%d %H:%M} UTC",
                                fmt::gmtime(std::chrono::system_clock::to_time_t(wall)));
  }
  if (obstacle && !driver->has_slot()) {
    if (!has_worked) shown.phase = report::JobPhase::kQueued;
    shown.detail = admission::text_of(*obstacle) + "; " + shown.detail;
  }
  return shown;
}

void ScheduledJob::log_rounds() {
  const report::JobStatus& shown = driver->status();
  const bool plain = !job::is_masked(driver->spec());
  for (; logged_rounds < shown.history.size(); ++logged_rounds) {
    const report::RoundRecord& record = shown.history[logged_rounds];
    const double seconds = record.seconds + record.evaluation_seconds;
    std::string words = fmt::format("job {}: round {} of {}: {} of {} sites contributed, {:.2f} s", id, record.round,
                                    shown.rounds, record.contributed.size(), record.cohort.size(), seconds);
    logging::Fields fields{.job = id, .round = record.round};
    fields.more = {{"contributed", record.contributed}, {"seconds", seconds}};
    std::vector<std::string> left_out;
    for (const auto& [site, reason] : record.failed) left_out.push_back(site);
    if (!left_out.empty()) {
      words += fmt::format("; left out: {}", fmt::join(left_out, ", "));
      fields.more.emplace_back("left_out", std::move(left_out));
    }
    // Only the researchers of a masked job may see its metrics.
    const task::Metric* metric = plain && record.metrics ? shown_metric(*record.metrics, driver->spec()) : nullptr;
    if (metric != nullptr) {
      words += fmt::format("; {} {:.4f}", metric->name, metric->value);
      fields.more.emplace_back("metric", metric->name);
      fields.more.emplace_back("value", metric->value);
    }
    logging::event(logging::Event::kRoundCommitted, fields, words);
  }
}

void ScheduledJob::log_end() {
  log_rounds();
  const report::JobStatus& shown = driver->status();
  logging::Fields fields{.job = id, .researcher = researcher};
  fields.more = {{"outcome", std::string(report::name_of(shown.phase))},
                 {"rounds", static_cast<std::uint64_t>(shown.history.size())}};
  // How a masked job finished may name a metric, which only its researchers may see.
  const bool hidden = job::is_masked(driver->spec()) && shown.phase == report::JobPhase::kFinished;
  logging::event(logging::Event::kJobEnded, fields,
                 "job " + id + ": " + (hidden ? std::string(report::name_of(shown.phase)) : shown.detail));
}

void ScheduledJob::receive(const std::string& site, const wire::SiteMessage& message, Time now) const {
  std::visit(Receiver{*driver, site, now}, message);
}

std::string failure_in_words(ErrorCode code) {
  const auto cause = [code]() -> std::string_view {
    switch (code) {
      case ErrorCode::kFailedPrecondition:
        return "the site doesn't have the last commit or the job's key yet";
      case ErrorCode::kPermissionDenied:
        return "the site's client refuses the session";
      case ErrorCode::kDataLoss:
        return "the site's vector or its record of sums is lost";
      case ErrorCode::kInvalidArgument:
        return "a message can't be read, or the site's data don't fit the job's model";
      case ErrorCode::kResourceExhausted:
        return "no memory or disk space is left at the site";
      case ErrorCode::kUnavailable:
      case ErrorCode::kDeadlineExceeded:
      case ErrorCode::kCancelled:
        return "the network failed, or the site's client was stopped";
      case ErrorCode::kNotFound:
      case ErrorCode::kAlreadyExists:
      case ErrorCode::kUnauthenticated:
      case ErrorCode::kInternal:
        break;
    }
    return "the site's trainer failed, or a file is missing there";
  };
  return fmt::format("failed: {} ({}; its log has the details)", name_of(code), cause());
}

const std::string& job_of(const wire::SiteMessage& message) {
  static const std::string none;
  return std::visit(
      [](const auto& said) -> const std::string& {
        if constexpr (requires { said.job_id; }) {
          return said.job_id;
        } else if constexpr (requires { said.key; }) {
          return said.key.job_id;
        } else {
          return none;
        }
      },
      message);
}

}  // namespace consilium::coordinator
