#include <spdlog/fmt/fmt.h>

#include <limits>

#include "client/trainer/protocol/messages.h"
#include "client/trainer/protocol/record_limits.h"
#include "client/trainer/protocol/record_names.h"
#include "client/trainer/protocol/record_reader.h"
#include "common/job/job_limits.h"
#include "common/model/model_json.h"
#include "common/task/task_json.h"

namespace consilium::trainer {

namespace {

using nlohmann::json;

/// An invalid byte is written as U+FFFD, three bytes.
constexpr std::size_t kReplacementBytes = 3;
constexpr std::uint64_t kAnyInteger = std::numeric_limits<std::uint64_t>::max();

template <class Enum, std::size_t N>
Enum read_name(RecordReader& reader, std::string_view key, const RecordNames<Enum, N>& names) {
  const auto value = from_record_name(names, reader.text(key, 32));
  if (!value) {
    std::string known;
    for (const auto& [unused, name] : names) known += (known.empty() ? "" : ", ") + std::string(name);
    reader.refuse(key, "one of " + known);
  }
  return value.value_or(names.front().first);
}

DataSource read_data(RecordReader& parent) {
  const json* value = parent.member("data");
  if (value == nullptr) return {};
  auto data = data_source_from_json(*value);
  if (!data) parent.take({data.error().code, parent.path_of("data") + "." + data.error().message});
  return data.value_or(DataSource{});
}

std::optional<job::Normalization> read_normalize(RecordReader& parent) {
  const json* value = parent.member("normalize");
  if (value == nullptr || value->is_null()) return std::nullopt;
  RecordReader reader(*value, parent.path_of("normalize"));
  job::Normalization normalize;
  normalize.mean = reader.numbers("mean", kMaxChannels, -kMaxNumber, kMaxNumber);
  normalize.std = reader.numbers("std", kMaxChannels, std::numeric_limits<double>::min(), kMaxNumber);
  if (normalize.mean.empty() || normalize.mean.size() != normalize.std.size()) {
    reader.refuse("std", "as many numbers as mean, at least one");
  }
  if (auto read = reader.finish(); !read) parent.take(read.error());
  return normalize;
}

std::optional<AtlasFile> read_atlas(RecordReader& parent) {
  const json* value = parent.member("atlas");
  if (value == nullptr || value->is_null()) return std::nullopt;
  RecordReader reader(*value, parent.path_of("atlas"));
  AtlasFile atlas;
  atlas.path = reader.text("path", kMaxPathBytes);
  const auto digest = crypto::digest_from_hex(reader.text("sha256", 64));
  if (digest) atlas.sha256 = *digest;
  if (!digest) reader.refuse("sha256", "64 hexadecimal digits");
  atlas.channels = static_cast<std::uint32_t>(reader.integer("channels", 1, job::kMaxAtlasChannels));
  if (auto read = reader.finish(); !read) parent.take(read.error());
  return atlas;
}

job::OptimizerSpec read_optimizer(RecordReader& parent) {
  job::OptimizerSpec optimizer;
  const json* value = parent.member("optimizer");
  if (value == nullptr) return optimizer;
  RecordReader reader(*value, parent.path_of("optimizer"));
  optimizer.kind = read_name(reader, "name", kOptimizerNames);
  optimizer.learning_rate = reader.number("learning_rate", 0.0, kMaxNumber);
  optimizer.momentum = reader.number("momentum", 0.0, 1.0);
  optimizer.weight_decay = reader.number("weight_decay", 0.0, kMaxNumber);
  optimizer.beta1 = reader.number("beta1", 0.0, 1.0);
  optimizer.beta2 = reader.number("beta2", 0.0, 1.0);
  optimizer.epsilon = reader.number("epsilon", 0.0, kMaxNumber);
  if (auto read = reader.finish(); !read) parent.take(read.error());
  return optimizer;
}

job::RateFactors read_learning_rates(RecordReader& parent) {
  job::RateFactors factors;
  const json* value = parent.member("learning_rates");
  if (value == nullptr) return factors;
  if (!value->is_array() || value->size() > job::kMaxLayerWords) {
    parent.refuse("learning_rates", fmt::format("a list of at most {} layers", job::kMaxLayerWords));
    return factors;
  }
  for (const json& element : *value) {
    RecordReader reader(element, parent.path_of("learning_rates"));
    const std::string layer = reader.text("layer", kMaxLayerBytes);
    const double factor = reader.number("factor", job::kMinRateFactor, job::kMaxRateFactor);
    if (!factors.emplace(layer, factor).second) reader.refuse("layer", "each layer once");
    if (auto read = reader.finish(); !read) {
      parent.take(read.error());
      return {};
    }
  }
  return factors;
}

/// Reads the task and the loss, and checks them against the model's classes.
void read_task(RecordReader& reader, Prepare& request) {
  const json* task_json = reader.member("task");
  const json* loss_json = reader.member("loss");
  if (task_json == nullptr || loss_json == nullptr) return;
  auto task = task::task_from_json(*task_json);
  if (!task) return reader.take(task.error().within("prepare"));
  auto loss = task::loss_from_json(*loss_json, *task, static_cast<std::uint64_t>(request.model.classes));
  if (!loss) return reader.take(loss.error().within("prepare"));
  // A job may omit defaults, but a record may not.
  if (task::to_json(*task) != *task_json) return reader.refuse("task", "every key of the task, and its defaults");
  if (task::to_json(*loss, task->kind) != *loss_json)
    return reader.refuse("loss", "every key that applies to the loss");
  request.task = *task;
  request.loss = *std::move(loss);
}

Request read_prepare(RecordReader& reader) {
  Prepare request;
  if (const json* value = reader.member("model"); value != nullptr) {
    auto model = model::model_from_json(*value);
    if (model) {
      request.model = std::move(*model);
    } else {
      reader.take(model.error().within("prepare.model"));
    }
  }
  request.data = read_data(reader);
  request.normalize = read_normalize(reader);
  request.parameter_count = reader.integer("parameter_count", 1, ParameterManifest::kMaxParameters);
  read_task(reader, request);
  request.precision = read_name(reader, "precision", kPrecisionNames);
  request.atlas = read_atlas(reader);
  return request;
}

Request read_train(RecordReader& reader) {
  Train request;
  request.site = reader.text("site", kMaxSiteBytes);
  request.round = reader.integer32("round", 0);
  request.seed = reader.integer("seed", 0, kAnyInteger);
  request.local_epochs = static_cast<std::uint32_t>(reader.integer("local_epochs", 1, kMaxLocalEpochs));
  request.batch_size = static_cast<std::uint32_t>(reader.integer("batch_size", 1, kMaxBatchSize));
  request.optimizer = read_optimizer(reader);
  request.proximal_mu = reader.number("proximal_mu", 0.0, kMaxNumber);
  request.time_limit_ms = reader.integer("time_limit_ms", 0, kMaxMilliseconds);
  request.gradient_clip = reader.number("gradient_clip", 0.0, kMaxNumber);
  request.learning_rates = read_learning_rates(reader);
  return request;
}

Request read_evaluate(RecordReader& reader) {
  Evaluate request;
  request.split = read_name(reader, "split", kSplitNames);
  request.batch_size = static_cast<std::uint32_t>(reader.integer("batch_size", 1, kMaxBatchSize));
  return request;
}

Request read_evaluate_patients(RecordReader& reader) {
  EvaluatePatients request;
  request.split = read_name(reader, "split", kSplitNames);
  request.batch_size = static_cast<std::uint32_t>(reader.integer("batch_size", 1, kMaxBatchSize));
  request.models = static_cast<std::uint32_t>(reader.integer("models", 1, kMaxEvaluatedModels));
  request.first_patient = reader.integer("first_patient", 0, kMaxExamples);
  request.patients = reader.integer("patients", 1, kMaxEvaluatedPatients);
  return request;
}

Request read_look(RecordReader& reader) { return Look{read_data(reader)}; }

Request read_cancel(RecordReader&) { return Cancel{}; }

Reply read_hello(RecordReader& reader) {
  Hello reply;
  reply.protocol = reader.integer32("protocol", 0);
  reply.software = reader.text("software", kReplacementBytes * kMaxSoftwareBytes);
  reply.device = reader.text("device", kMaxDeviceBytes);
  reply.sandboxed = reader.boolean("sandboxed");
  return reply;
}

Reply read_prepared(RecordReader& reader) {
  Prepared reply;
  reply.train_examples = reader.integer("train_examples", 0, kMaxExamples);
  reply.val_examples = reader.integer("val_examples", 0, kMaxExamples);
  reply.test_examples = reader.integer("test_examples", 0, kMaxExamples);
  reply.class_examples = reader.integers("class_examples", kMaxClasses);
  // The task checks what the counts add up to (task::Task::check_census).
  for (const std::uint64_t examples : reply.class_examples) {
    if (examples > reply.train_examples) reader.refuse("class_examples", "at most train_examples of each class");
  }
  return reply;
}

Reply read_progress(RecordReader& reader) {
  Progress reply;
  reply.steps_total = reader.integer("steps_total", 0, kMaxExamples);
  reply.steps_done = reader.integer("steps_done", 0, reply.steps_total);
  return reply;
}

Reply read_trained(RecordReader& reader) {
  Trained reply;
  reply.mean_loss = reader.number("mean_loss", -kMaxNumber, kMaxNumber);
  reply.epochs_done = static_cast<std::uint32_t>(reader.integer("epochs_done", 0, kMaxLocalEpochs));
  reply.partial = reader.boolean("partial");
  reply.seconds = reader.number("seconds", 0.0, kMaxNumber);
  return reply;
}

Reply read_evaluated(RecordReader& reader) { return Evaluated{reader.number("seconds", 0.0, kMaxNumber)}; }

Reply read_evaluated_patients(RecordReader& reader) {
  EvaluatedPatients reply;
  reply.seconds = reader.number("seconds", 0.0, kMaxNumber);
  reply.all = reader.integer("all", 0, kMaxExamples);
  return reply;
}

Reply read_looked(RecordReader&) { return Looked{}; }

Reply read_failed(RecordReader& reader) {
  Failed reply;
  reply.code = read_name(reader, "code", kFailureNames);
  reply.message = reader.text("message", kReplacementBytes * kMaxMessageBytes);
  return reply;
}

/// How to read the record of one message type.
template <class Message>
struct Kind {
  std::string_view type;
  Message (*read)(RecordReader& reader);
};
constexpr std::array<Kind<Request>, 6> kRequests{{{"prepare", read_prepare},
                                                  {"train", read_train},
                                                  {"evaluate", read_evaluate},
                                                  {"evaluate_patients", read_evaluate_patients},
                                                  {"look", read_look},
                                                  {"cancel", read_cancel}}};
constexpr std::array<Kind<Reply>, 8> kReplies{{{"hello", read_hello},
                                               {"prepared", read_prepared},
                                               {"progress", read_progress},
                                               {"trained", read_trained},
                                               {"evaluated", read_evaluated},
                                               {"evaluated_patients", read_evaluated_patients},
                                               {"looked", read_looked},
                                               {"failed", read_failed}}};

template <class Message, std::size_t N>
Result<Message> decode(std::string_view text, const std::array<Kind<Message>, N>& kinds) {
  CONSILIUM_ASSIGN(const json record, parse_record(text));
  const auto found = record.find("type");
  const auto* type = found == record.end() ? nullptr : found->get_ptr<const std::string*>();
  for (const auto& kind : kinds) {
    if (type == nullptr || *type != kind.type) continue;
    RecordReader reader(record, std::string(kind.type));
    reader.text("type", 32);
    Message message = kind.read(reader);
    CONSILIUM_TRY(reader.finish());
    return message;
  }
  std::string known;
  for (const auto& kind : kinds) known += (known.empty() ? "" : ", ") + std::string(kind.type);
  return fail(ErrorCode::kDataLoss,
              fmt::format("trainer protocol: expected a record of one of these types: {}", known));
}

}  // namespace

Result<Request> decode_request(std::string_view json) { return decode(json, kRequests); }

Result<Reply> decode_reply(std::string_view json) { return decode(json, kReplies); }

}  // namespace consilium::trainer
