#include "common/report/job_status_json.h"

#include <spdlog/fmt/fmt.h>

#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/task/limits.h"

namespace consilium::report {

namespace {

using Json = nlohmann::json;

constexpr std::array kPhases = {JobPhase::kQueued,     JobPhase::kRecruiting, JobPhase::kCensus,  JobPhase::kTraining,
                                JobPhase::kEvaluating, JobPhase::kFinished,   JobPhase::kStopped, JobPhase::kFailed};

tl::unexpected<Error> expected(std::string_view path, std::string_view what) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: expected {}", path, what));
}

/// Reads the members of one JSON object, each once. done() refuses an object that has other members.
class ObjectReader {
 public:
  static Result<ObjectReader> of(const Json& json, std::string path) {
    if (!json.is_object()) return expected(path.empty() ? "status" : path, "an object");
    return ObjectReader(json, std::move(path));
  }

  Result<const Json*> member(const char* key) {
    const auto found = json_->find(key);
    if (found == json_->end()) return expected(path(key), "a value, found none");
    ++read_;
    return &*found;
  }

  Result<void> number(const char* key, double& value) {
    CONSILIUM_ASSIGN(const Json* json, member(key));
    if (!json->is_number()) return expected(path(key), "a number");
    value = json->get<double>();
    if (!std::isfinite(value)) return expected(path(key), "a finite number");
    return {};
  }
  template <class Integer>
  Result<void> integer(const char* key, Integer& value) {
    CONSILIUM_ASSIGN(const Json* json, member(key));
    if (!json->is_number_unsigned()) return expected(path(key), "a whole number >= 0");
    const auto read = json->get<std::uint64_t>();
    if (read > std::numeric_limits<Integer>::max()) return expected(path(key), "a smaller number");
    value = static_cast<Integer>(read);
    return {};
  }
  Result<void> boolean(const char* key, bool& value) {
    CONSILIUM_ASSIGN(const Json* json, member(key));
    if (!json->is_boolean()) return expected(path(key), "true or false");
    value = json->get<bool>();
    return {};
  }
  Result<void> text(const char* key, std::string& value) {
    CONSILIUM_ASSIGN(const Json* json, member(key));
    return text_of(*json, path(key), value);
  }
  Result<void> texts(const char* key, std::vector<std::string>& values) {
    CONSILIUM_ASSIGN(const Json* json, array(key, kMaxRecords));
    for (const Json& element : *json) CONSILIUM_TRY(text_of(element, path(key), values.emplace_back()));
    return {};
  }
  Result<void> text_map(const char* key, std::map<std::string, std::string>& values) {
    CONSILIUM_ASSIGN(const Json* json, object(key));
    for (const auto& [name, element] : json->items()) CONSILIUM_TRY(text_of(element, path(key), values[name]));
    return {};
  }
  Result<void> digest(const char* key, crypto::Digest& value) {
    std::string hex;
    CONSILIUM_TRY(text(key, hex));
    auto read = crypto::digest_from_hex(hex);
    if (!read) return expected(path(key), "64 hexadecimal digits");
    value = *read;
    return {};
  }
  Result<const Json*> array(const char* key, std::size_t most) {
    CONSILIUM_ASSIGN(const Json* json, member(key));
    if (!json->is_array() || json->size() > most) return expected(path(key), fmt::format("a list of at most {}", most));
    return json;
  }
  /// Returns a member that is an object with site names as its keys.
  Result<const Json*> object(const char* key) {
    CONSILIUM_ASSIGN(const Json* json, member(key));
    if (!json->is_object() || json->size() > kMaxRecords)
      return expected(path(key), fmt::format("an object of at most {}", kMaxRecords));
    for (const auto& [name, element] : json->items()) {
      if (name.size() > kMaxTextBytes) return expected(path(key), "shorter names");
    }
    return json;
  }
  Result<bool> is_null(const char* key) {
    const auto found = json_->find(key);
    if (found == json_->end()) return expected(path(key), "a value or null, found none");
    if (found->is_null()) ++read_;
    return found->is_null();
  }
  Result<void> done() const {
    if (json_->size() != read_)
      return expected(path_.empty() ? "status" : path_, fmt::format("{} keys, found {}", read_, json_->size()));
    return {};
  }
  [[nodiscard]] std::string path(std::string_view key) const {
    return path_.empty() ? std::string(key) : fmt::format("{}.{}", path_, key);
  }

 private:
  ObjectReader(const Json& json, std::string path) : json_(&json), path_(std::move(path)) {}

  static Result<void> text_of(const Json& json, const std::string& path, std::string& value) {
    if (!json.is_string()) return expected(path, "text");
    value = json.get_ref<const std::string&>();
    if (value.size() > kMaxTextBytes) return expected(path, fmt::format("at most {} bytes of text", kMaxTextBytes));
    return {};
  }

  const Json* json_;
  std::string path_;
  std::size_t read_ = 0;
};

Result<task::Metric> read_metric(const Json& json, std::string path) {
  CONSILIUM_ASSIGN(ObjectReader reader, ObjectReader::of(json, std::move(path)));
  task::Metric metric;
  CONSILIUM_TRY(reader.text("name", metric.name));
  if (!task::is_metric_name(metric.name)) return expected(reader.path("name"), "a metric's name");
  CONSILIUM_TRY(reader.number("value", metric.value));
  CONSILIUM_TRY(reader.number("error", metric.error));
  CONSILIUM_TRY(reader.boolean("higher_is_better", metric.higher_is_better));
  CONSILIUM_TRY(reader.done());
  return metric;
}

Result<task::CountTable> read_table(const Json& json, std::string path) {
  CONSILIUM_ASSIGN(ObjectReader reader, ObjectReader::of(json, std::move(path)));
  task::CountTable table;
  CONSILIUM_TRY(reader.text("name", table.name));
  if (!task::is_metric_name(table.name)) return expected(reader.path("name"), "a table's name");
  CONSILIUM_TRY(reader.integer("rows", table.rows));
  CONSILIUM_TRY(reader.integer("columns", table.columns));
  CONSILIUM_ASSIGN(const Json* counts, reader.array("counts", task::kMaxTableCounts));
  if (std::uint64_t{table.rows} * table.columns != counts->size())
    return expected(reader.path("counts"), "rows x columns counts");
  for (const Json& count : *counts) {
    if (!count.is_number_unsigned()) return expected(reader.path("counts"), "whole numbers >= 0");
    table.counts.push_back(count.get<std::uint64_t>());
  }
  CONSILIUM_TRY(reader.done());
  return table;
}

Result<task::Metrics> read_metrics(const Json& json, std::string path) {
  CONSILIUM_ASSIGN(ObjectReader reader, ObjectReader::of(json, std::move(path)));
  task::Metrics metrics;
  CONSILIUM_TRY(reader.integer("examples", metrics.examples));
  CONSILIUM_ASSIGN(const Json* values, reader.array("values", task::kMaxMetrics));
  for (const Json& value : *values) {
    const std::string where = fmt::format("{}[{}]", reader.path("values"), metrics.values.size());
    CONSILIUM_ASSIGN(task::Metric metric, read_metric(value, where));
    if (metrics.find(metric.name) != nullptr) return expected(where, "each name once");
    metrics.values.push_back(std::move(metric));
  }
  CONSILIUM_ASSIGN(const Json* tables, reader.array("tables", task::kMaxTables));
  for (const Json& table : *tables) {
    const std::string where = fmt::format("{}[{}]", reader.path("tables"), metrics.tables.size());
    CONSILIUM_ASSIGN(task::CountTable read, read_table(table, where));
    metrics.tables.push_back(std::move(read));
  }
  CONSILIUM_TRY(reader.done());
  return metrics;
}

Result<RoundRecord> read_record(const Json& json, std::string path) {
  CONSILIUM_ASSIGN(ObjectReader reader, ObjectReader::of(json, std::move(path)));
  RoundRecord record;
  CONSILIUM_TRY(reader.integer("round", record.round));
  CONSILIUM_TRY(reader.texts("cohort", record.cohort));
  CONSILIUM_TRY(reader.texts("contributed", record.contributed));
  CONSILIUM_TRY(reader.texts("partial", record.partial));
  CONSILIUM_TRY(reader.text_map("failed", record.failed));
  CONSILIUM_TRY(reader.text_map("evaluation_failed", record.evaluation_failed));
  CONSILIUM_TRY(reader.number("seconds", record.seconds));
  CONSILIUM_TRY(reader.number("evaluation_seconds", record.evaluation_seconds));
  CONSILIUM_TRY(reader.integer("bytes", record.bytes));
  CONSILIUM_ASSIGN(const bool no_loss, reader.is_null("train_loss"));
  if (!no_loss) CONSILIUM_TRY(reader.number("train_loss", record.train_loss.emplace()));
  CONSILIUM_TRY(reader.integer("clipped", record.clipped));
  CONSILIUM_TRY(reader.integer("coordinates", record.coordinates));
  CONSILIUM_ASSIGN(const bool no_metrics, reader.is_null("metrics"));
  if (!no_metrics) {
    CONSILIUM_ASSIGN(const Json* metrics, reader.member("metrics"));
    CONSILIUM_ASSIGN(record.metrics, read_metrics(*metrics, reader.path("metrics")));
  }
  CONSILIUM_ASSIGN(const Json* sites, reader.object("site_metrics"));
  for (const auto& [site, metrics] : sites->items()) {
    CONSILIUM_ASSIGN(record.site_metrics[site], read_metrics(metrics, reader.path("site_metrics." + site)));
  }
  CONSILIUM_ASSIGN(const bool no_alone, reader.is_null("alone"));
  if (!no_alone) {
    CONSILIUM_ASSIGN(const Json* alone, reader.member("alone"));
    CONSILIUM_ASSIGN(record.alone, read_metrics(*alone, reader.path("alone")));
  }
  CONSILIUM_TRY(reader.digest("model", record.model));
  CONSILIUM_TRY(reader.integer("started_seconds", record.started_seconds));
  CONSILIUM_TRY(reader.integer("ended_seconds", record.ended_seconds));
  CONSILIUM_TRY(reader.done());
  return record;
}

Result<void> read_phase(ObjectReader& reader, JobPhase& phase) {
  std::string name;
  CONSILIUM_TRY(reader.text("phase", name));
  for (const JobPhase known : kPhases) {
    if (name_of(known) == name) {
      phase = known;
      return {};
    }
  }
  return expected("phase", "the name of a phase");
}

}  // namespace

Json to_json(const task::Metrics& metrics) {
  Json values = Json::array();
  for (const task::Metric& metric : metrics.values) {
    values.push_back({{"name", metric.name},
                      {"value", metric.value},
                      {"error", metric.error},
                      {"higher_is_better", metric.higher_is_better}});
  }
  Json tables = Json::array();
  for (const task::CountTable& table : metrics.tables) {
    tables.push_back(
        {{"name", table.name}, {"rows", table.rows}, {"columns", table.columns}, {"counts", table.counts}});
  }
  return {{"examples", metrics.examples}, {"values", std::move(values)}, {"tables", std::move(tables)}};
}

Json to_json(const RoundRecord& record) {
  Json sites = Json::object();
  for (const auto& [site, metrics] : record.site_metrics) sites[site] = to_json(metrics);
  Json json;
  json["round"] = record.round;
  json["cohort"] = record.cohort;
  json["contributed"] = record.contributed;
  json["partial"] = record.partial;
  json["failed"] = record.failed;
  json["evaluation_failed"] = record.evaluation_failed;
  json["seconds"] = record.seconds;
  json["evaluation_seconds"] = record.evaluation_seconds;
  json["bytes"] = record.bytes;
  json["train_loss"] = record.train_loss ? Json(*record.train_loss) : Json();
  json["clipped"] = record.clipped;
  json["coordinates"] = record.coordinates;
  json["metrics"] = record.metrics ? to_json(*record.metrics) : Json();
  json["site_metrics"] = std::move(sites);
  json["alone"] = record.alone ? to_json(*record.alone) : Json();
  json["model"] = crypto::to_hex(record.model);
  json["started_seconds"] = record.started_seconds;
  json["ended_seconds"] = record.ended_seconds;
  return json;
}

Json to_json(const JobStatus& status) {
  Json history = Json::array();
  for (const RoundRecord& record : status.history) history.push_back(to_json(record));
  Json json;
  json["job_id"] = status.job_id;
  json["name"] = status.name;
  json["phase"] = name_of(status.phase);
  json["round"] = status.round;
  json["rounds"] = status.rounds;
  json["detail"] = status.detail;
  json["sites"] = status.sites;
  json["history"] = std::move(history);
  json["model"] = status.model ? Json(crypto::to_hex(*status.model)) : Json();
  json["examples"] = status.examples;
  json["eta_seconds"] = status.eta_seconds ? Json(*status.eta_seconds) : Json();
  json["masked"] = status.masked;
  json["researcher"] = status.researcher;
  json["submitted_seconds"] = status.submitted_seconds;
  json["started_seconds"] = status.started_seconds;
  json["ended_seconds"] = status.ended_seconds;
  return json;
}

Result<task::Metrics> metrics_from_json(const Json& json) { return read_metrics(json, "metrics"); }

Result<RoundRecord> round_record_from_json(const Json& json) { return read_record(json, "round"); }

Result<JobStatus> job_status_from_json(const Json& json) {
  CONSILIUM_ASSIGN(ObjectReader reader, ObjectReader::of(json, ""));
  JobStatus status;
  CONSILIUM_TRY(reader.text("job_id", status.job_id));
  CONSILIUM_TRY(reader.text("name", status.name));
  CONSILIUM_TRY(read_phase(reader, status.phase));
  CONSILIUM_TRY(reader.integer("round", status.round));
  CONSILIUM_TRY(reader.integer("rounds", status.rounds));
  CONSILIUM_TRY(reader.text("detail", status.detail));
  CONSILIUM_TRY(reader.text_map("sites", status.sites));
  CONSILIUM_ASSIGN(const Json* history, reader.array("history", kMaxRecords));
  for (const Json& record : *history) {
    CONSILIUM_ASSIGN(RoundRecord read, read_record(record, fmt::format("history[{}]", status.history.size())));
    status.history.push_back(std::move(read));
  }
  CONSILIUM_ASSIGN(const bool no_model, reader.is_null("model"));
  if (!no_model) CONSILIUM_TRY(reader.digest("model", status.model.emplace()));
  CONSILIUM_TRY(reader.integer("examples", status.examples));
  CONSILIUM_ASSIGN(const bool no_eta, reader.is_null("eta_seconds"));
  if (!no_eta) CONSILIUM_TRY(reader.number("eta_seconds", status.eta_seconds.emplace()));
  CONSILIUM_TRY(reader.boolean("masked", status.masked));
  CONSILIUM_TRY(reader.text("researcher", status.researcher));
  CONSILIUM_TRY(reader.integer("submitted_seconds", status.submitted_seconds));
  CONSILIUM_TRY(reader.integer("started_seconds", status.started_seconds));
  CONSILIUM_TRY(reader.integer("ended_seconds", status.ended_seconds));
  CONSILIUM_TRY(reader.done());
  return status;
}

}  // namespace consilium::report
