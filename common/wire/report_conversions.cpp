#include "common/wire/report_conversions.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "common/task/limits.h"
#include "common/wire/conversions.h"
#include "common/wire/limits.h"
#include "common/wire/message_parts.h"
#include "common/wire/text.h"
#include "consilium/v1/admin.pb.h"

namespace consilium::wire {

namespace {

template <class Sequence>
Result<void> check_count(const Sequence& sequence, std::size_t most, std::string_view field) {
  const auto count = static_cast<std::size_t>(sequence.size());
  if (count > most) return malformed(field, fmt::format("at most {} entries", most), std::to_string(count));
  return {};
}

template <class Names>
Result<std::vector<std::string>> names_from(const Names& proto, std::size_t most, std::string_view field) {
  CONSILIUM_TRY(check_count(proto, most, field));
  for (const auto& entry : proto) CONSILIUM_TRY(check_name_field(entry, field));
  return std::vector<std::string>(proto.begin(), proto.end());
}

template <class Texts>
Result<std::map<std::string, std::string>> texts_from(const Texts& proto, std::string_view field) {
  CONSILIUM_TRY(check_count(proto, kMaxSites, field));
  std::map<std::string, std::string> texts;
  for (const auto& [site, text] : proto) {
    CONSILIUM_TRY(check_name_field(site, field));
    CONSILIUM_TRY(check_text_field(text, kMaxReasonBytes, field));
    texts.emplace(site, text);
  }
  return texts;
}

Result<void> check_numbers(std::initializer_list<double> numbers, std::string_view field) {
  for (const double number : numbers) {
    if (!std::isfinite(number)) return malformed(field, "finite numbers", std::to_string(number));
  }
  return {};
}

v1::Metrics metrics_to(const task::Metrics& metrics) {
  v1::Metrics proto;
  proto.set_examples(metrics.examples);
  for (const task::Metric& metric : metrics.values) {
    v1::Metric& value = *proto.add_values();
    value.set_name(metric.name);
    value.set_value(metric.value);
    value.set_error(metric.error);
    value.set_higher_is_better(metric.higher_is_better);
  }
  for (const task::CountTable& table : metrics.tables) {
    v1::CountTable& written = *proto.add_tables();
    written.set_name(table.name);
    written.set_rows(table.rows);
    written.set_columns(table.columns);
    written.mutable_counts()->Add(table.counts.begin(), table.counts.end());
  }
  return proto;
}

Result<void> check_metric_name(const std::string& name, std::string_view field) {
  if (task::is_metric_name(name)) return {};
  return malformed(field, "a name of lower-case letters, digits and underscores", clean_text(name, kMaxNameBytes));
}

Result<task::Metrics> metrics_from(const v1::Metrics& proto) {
  CONSILIUM_TRY(check_count(proto.values(), task::kMaxMetrics, "metrics.values"));
  CONSILIUM_TRY(check_count(proto.tables(), task::kMaxTables, "metrics.tables"));
  task::Metrics metrics;
  metrics.examples = proto.examples();
  for (const v1::Metric& value : proto.values()) {
    CONSILIUM_TRY(check_metric_name(value.name(), "metrics.values.name"));
    CONSILIUM_TRY(check_numbers({value.value(), value.error()}, "metrics.values"));
    if (metrics.find(value.name()) != nullptr) return malformed("metrics.values", "each name once", value.name());
    metrics.values.push_back({value.name(), value.value(), value.error(), value.higher_is_better()});
  }
  for (const v1::CountTable& table : proto.tables()) {
    CONSILIUM_TRY(check_metric_name(table.name(), "metrics.tables.name"));
    CONSILIUM_TRY(check_count(table.counts(), task::kMaxTableCounts, "metrics.tables.counts"));
    if (std::uint64_t{table.rows()} * table.columns() != static_cast<std::uint64_t>(table.counts_size()))
      return malformed("metrics.tables.counts", fmt::format("{} x {}", table.rows(), table.columns()),
                       std::to_string(table.counts_size()));
    metrics.tables.push_back(
        {table.name(), table.rows(), table.columns(), {table.counts().begin(), table.counts().end()}});
  }
  return metrics;
}

/// Refuses times above kMaxUnixSeconds.
Result<void> check_times(std::initializer_list<std::uint64_t> times, std::string_view field) {
  const std::uint64_t latest = std::max(times);
  if (latest <= kMaxUnixSeconds) return {};
  return malformed(field, fmt::format("times of at most {}", kMaxUnixSeconds), std::to_string(latest));
}

v1::RoundRecord record_to(const report::RoundRecord& record) {
  v1::RoundRecord proto;
  proto.set_round(record.round);
  for (const auto& site : record.cohort) proto.add_cohort(clean_name(site));
  for (const auto& site : record.contributed) proto.add_contributed(clean_name(site));
  for (const auto& site : record.partial) proto.add_partial(clean_name(site));
  for (const auto& [site, why] : record.failed) (*proto.mutable_failed())[clean_name(site)] = clean_reason(why);
  proto.set_seconds(record.seconds);
  proto.set_evaluation_seconds(record.evaluation_seconds);
  proto.set_bytes(record.bytes);
  if (record.train_loss) proto.set_train_loss(*record.train_loss);
  proto.set_clipped(record.clipped);
  proto.set_coordinates(record.coordinates);
  if (record.metrics) *proto.mutable_metrics() = metrics_to(*record.metrics);
  for (const auto& [site, metrics] : record.site_metrics)
    (*proto.mutable_site_metrics())[clean_name(site)] = metrics_to(metrics);
  if (record.alone) *proto.mutable_alone() = metrics_to(*record.alone);
  for (const auto& [site, why] : record.evaluation_failed)
    (*proto.mutable_evaluation_failed())[clean_name(site)] = clean_reason(why);
  proto.set_model(record.model.data(), record.model.size());
  proto.set_started_seconds(record.started_seconds);
  proto.set_ended_seconds(record.ended_seconds);
  return proto;
}

Result<report::RoundRecord> record_from(const v1::RoundRecord& proto) {
  report::RoundRecord record;
  record.round = proto.round();
  CONSILIUM_ASSIGN(record.cohort, names_from(proto.cohort(), kMaxSites, "history.cohort"));
  CONSILIUM_ASSIGN(record.contributed, names_from(proto.contributed(), kMaxSites, "history.contributed"));
  CONSILIUM_ASSIGN(record.partial, names_from(proto.partial(), kMaxSites, "history.partial"));
  CONSILIUM_ASSIGN(record.failed, texts_from(proto.failed(), "history.failed"));
  CONSILIUM_TRY(check_numbers({proto.seconds(), proto.evaluation_seconds(), proto.train_loss()}, "history"));
  record.seconds = proto.seconds();
  record.evaluation_seconds = proto.evaluation_seconds();
  record.bytes = proto.bytes();
  if (proto.has_train_loss()) record.train_loss = proto.train_loss();
  record.clipped = proto.clipped();
  record.coordinates = proto.coordinates();
  if (proto.has_metrics()) {
    CONSILIUM_ASSIGN(record.metrics, metrics_from(proto.metrics()));
  }
  CONSILIUM_TRY(check_count(proto.site_metrics(), kMaxSites, "history.site_metrics"));
  for (const auto& [site, metrics] : proto.site_metrics()) {
    CONSILIUM_TRY(check_name_field(site, "history.site_metrics"));
    CONSILIUM_ASSIGN(record.site_metrics[site], metrics_from(metrics));
  }
  if (proto.has_alone()) {
    CONSILIUM_ASSIGN(record.alone, metrics_from(proto.alone()));
  }
  CONSILIUM_ASSIGN(record.evaluation_failed, texts_from(proto.evaluation_failed(), "history.evaluation_failed"));
  CONSILIUM_ASSIGN(record.model, digest_from_field(proto.model(), "history.model"));
  CONSILIUM_TRY(check_times({proto.started_seconds(), proto.ended_seconds()}, "history"));
  record.started_seconds = proto.started_seconds();
  record.ended_seconds = proto.ended_seconds();
  return record;
}

/// Returns true if the status still has every site of an earlier one.
bool has_all_sites(const report::JobStatus& status, const report::JobStatus& former) {
  return std::ranges::all_of(former.sites, [&](const auto& entry) { return status.sites.contains(entry.first); });
}

/// Converts everything except the records of the history.
/// @param former  the status that the receiver already has, or null
v1::JobStatus status_to(const report::JobStatus& status, const report::JobStatus* former) {
  v1::JobStatus proto;
  proto.set_job_id(status.job_id);
  proto.set_name(clean_name(status.name));
  proto.set_phase(static_cast<v1::JobPhase>(static_cast<int>(status.phase) + 1));
  proto.set_round(status.round);
  proto.set_rounds(status.rounds);
  proto.set_detail(clean_reason(status.detail));
  proto.set_all_sites(former == nullptr || !has_all_sites(status, *former));
  for (const auto& [site, activity] : status.sites) {
    const auto known = proto.all_sites() ? status.sites.end() : former->sites.find(site);
    if (!proto.all_sites() && known != former->sites.end() && known->second == activity) continue;
    (*proto.mutable_sites())[clean_name(site)] = clean_reason(activity);
  }
  proto.set_history_size(static_cast<std::uint32_t>(status.history.size()));
  if (status.model) proto.set_model(status.model->data(), status.model->size());
  proto.set_examples(status.examples);
  if (status.eta_seconds) proto.set_eta_seconds(*status.eta_seconds);
  proto.set_masked(status.masked);
  proto.set_researcher(clean_name(status.researcher));
  proto.set_submitted_seconds(status.submitted_seconds);
  proto.set_started_seconds(status.started_seconds);
  proto.set_ended_seconds(status.ended_seconds);
  return proto;
}
static_assert(static_cast<int>(report::JobPhase::kQueued) + 1 == v1::JOB_PHASE_QUEUED);
static_assert(static_cast<int>(report::JobPhase::kFailed) + 1 == v1::JOB_PHASE_FAILED);

/// Converts everything except the history.
Result<report::JobStatus> status_from(const v1::JobStatus& proto) {
  report::JobStatus status;
  CONSILIUM_TRY(check_name_field(proto.job_id(), "status.job_id"));
  CONSILIUM_TRY(check_name_field(proto.name(), "status.name"));
  CONSILIUM_TRY(check_text_field(proto.detail(), kMaxReasonBytes, "status.detail"));
  if (proto.phase() < v1::JOB_PHASE_QUEUED || proto.phase() > v1::JOB_PHASE_FAILED) {
    return malformed("status.phase", "1 to 8", std::to_string(static_cast<int>(proto.phase())));
  }
  if (!proto.researcher().empty()) CONSILIUM_TRY(check_name_field(proto.researcher(), "status.researcher"));
  CONSILIUM_TRY(check_times({proto.submitted_seconds(), proto.started_seconds(), proto.ended_seconds()}, "status"));
  CONSILIUM_TRY(check_numbers({proto.eta_seconds()}, "status.eta_seconds"));
  status.job_id = proto.job_id();
  status.name = proto.name();
  status.phase = static_cast<report::JobPhase>(static_cast<int>(proto.phase()) - 1);
  status.round = proto.round();
  status.rounds = proto.rounds();
  status.detail = proto.detail();
  CONSILIUM_ASSIGN(status.sites, texts_from(proto.sites(), "status.sites"));
  if (!proto.model().empty()) {
    CONSILIUM_ASSIGN(status.model, digest_from_field(proto.model(), "status.model"));
  }
  status.examples = proto.examples();
  if (proto.has_eta_seconds()) status.eta_seconds = proto.eta_seconds();
  status.masked = proto.masked();
  status.researcher = proto.researcher();
  status.submitted_seconds = proto.submitted_seconds();
  status.started_seconds = proto.started_seconds();
  status.ended_seconds = proto.ended_seconds();
  return status;
}

/// Parses a peer's bytes as a message.
template <class Message>
Result<Message> parse(std::string_view bytes, std::string_view field) {
  Message message;
  if (bytes.size() > kMaxUpdatePartBytes || !message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    return malformed(field, "a message", fmt::format("{} bytes that are not one", bytes.size()));
  return message;
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

v1::Site to_proto(const report::SiteStatus& site) {
  v1::Site proto;
  proto.set_name(clean_name(site.name));
  proto.set_connected(site.connected);
  proto.set_software(clean_name(site.software));
  for (const auto& dataset : site.datasets) proto.add_datasets(clean_name(dataset));
  proto.set_activity(clean_reason(site.activity));
  proto.set_certificate_end(site.certificate_end);
  return proto;
}

Result<report::SiteStatus> from_proto(const v1::Site& proto) {
  CONSILIUM_TRY(check_name_field(proto.name(), "site.name"));
  CONSILIUM_TRY(check_text_field(proto.software(), kMaxNameBytes, "site.software"));
  CONSILIUM_TRY(check_text_field(proto.activity(), kMaxReasonBytes, "site.activity"));
  CONSILIUM_ASSIGN(auto datasets, names_from(proto.datasets(), kMaxDatasets, "site.datasets"));
  return report::SiteStatus{proto.name(),        proto.connected(), proto.software(),
                            std::move(datasets), proto.activity(),  std::max<std::int64_t>(proto.certificate_end(), 0)};
}

void UpdateWriter::begin(std::shared_ptr<const report::JobStatus> status) {
  former_ = std::exchange(status_, std::move(status));
  place_ = 0;
  complete_ = false;
}

/// Serialises the next part: a record that the receiver doesn't have, or else the status.
bool UpdateWriter::begin_part() {
  if (complete_) return false;
  const report::History& history = status_->history;
  while (place_ < history.size() && former_ && history.shares(place_, former_->history)) ++place_;
  is_record_ = place_ < history.size();
  complete_ = !is_record_;
  part_ = is_record_ ? record_to(history[place_++]).SerializeAsString()
                     : status_to(*status_, former_.get()).SerializeAsString();
  written_ = 0;
  return true;
}

bool UpdateWriter::next(v1::JobUpdate& message) {
  if (written_ == part_.size() && !begin_part()) return false;
  const std::size_t count = std::min(kChunkBytes, part_.size() - written_);
  message.Clear();
  message.set_piece(part_.substr(written_, count));
  written_ += count;
  message.set_more(written_ < part_.size());
  if (is_record_) message.set_place(static_cast<std::uint32_t>(place_ - 1));
  return true;
}

Result<std::optional<report::JobStatus>> UpdateReader::next(const v1::JobUpdate& message) {
  const auto place = message.has_place() ? std::optional<std::size_t>(message.place()) : std::nullopt;
  if (!part_.empty() && place != place_)
    return malformed("update.place", "the place of the part that was begun", "another");
  if (part_.size() + message.piece().size() > kMaxUpdatePartBytes)
    return malformed("update.piece", fmt::format("at most {} bytes in all", kMaxUpdatePartBytes), "more");
  if (message.more() && message.piece().empty()) return malformed("update.piece", "bytes", "none");
  part_ += message.piece();
  place_ = place;
  if (message.more()) return std::optional<report::JobStatus>();
  if (place_) {
    CONSILIUM_TRY(take_record(*place_));
    return std::optional<report::JobStatus>();
  }
  CONSILIUM_ASSIGN(report::JobStatus status, take_status());
  return std::optional(std::move(status));
}

Result<void> UpdateReader::take_record(std::size_t place) {
  const std::string bytes = std::exchange(part_, {});
  history_bytes_ += bytes.size();
  if (place > history_.size() || place >= kMaxRounds)
    return malformed("update.place", "no gap in the history", std::to_string(place));
  if (history_bytes_ > kMaxHistoryBytes)
    return malformed("update.piece", fmt::format("at most {} bytes of history", kMaxHistoryBytes), "more");
  CONSILIUM_ASSIGN(const auto proto, parse<v1::RoundRecord>(bytes, "update.record"));
  CONSILIUM_ASSIGN(report::RoundRecord record, record_from(proto));
  if (place == history_.size()) {
    history_.push_back(std::move(record));
  } else {
    history_.replace(place, std::move(record));
  }
  return {};
}

Result<report::JobStatus> UpdateReader::take_status() {
  const std::string bytes = std::exchange(part_, {});
  CONSILIUM_ASSIGN(const auto proto, parse<v1::JobStatus>(bytes, "update.status"));
  CONSILIUM_ASSIGN(report::JobStatus status, status_from(proto));
  if (history_.size() != proto.history_size())
    return malformed("update.history_size", std::to_string(history_.size()), std::to_string(proto.history_size()));
  if (proto.all_sites()) sites_.clear();
  for (auto& [site, activity] : status.sites) sites_.insert_or_assign(site, std::move(activity));
  if (sites_.size() > kMaxSites)
    return malformed("status.sites", fmt::format("at most {} entries", kMaxSites), std::to_string(sites_.size()));
  status.sites = sites_;
  status.history = history_;
  return status;
}

Result<report::RoundRecord> decode_round_record(std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(const auto proto, parse<v1::RoundRecord>(text_of(bytes), "record"));
  return record_from(proto);
}

std::string encode(const report::RoundRecord& record) { return record_to(record).SerializeAsString(); }

Result<report::JobStatus> decode_job_status(std::span<const std::byte> bytes) {
  CONSILIUM_ASSIGN(const auto proto, parse<v1::JobStatus>(text_of(bytes), "status"));
  return status_from(proto);
}

std::string encode(const report::JobStatus& status) { return status_to(status, nullptr).SerializeAsString(); }

}  // namespace consilium::wire
