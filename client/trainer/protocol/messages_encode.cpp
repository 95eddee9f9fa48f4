#include <nlohmann/json.hpp>

#include "client/trainer/protocol/messages.h"
#include "client/trainer/protocol/record_limits.h"
#include "client/trainer/protocol/record_names.h"
#include "common/model/model_json.h"
#include "common/task/task_json.h"

namespace consilium::trainer {

namespace {

using nlohmann::json;

/// Truncates text that is meant for people, so that the record stays within its limits.
std::string shortened(const std::string& text, std::size_t max_bytes) {
  if (text.empty()) return "(no text)";
  return text.substr(0, max_bytes);
}

/// Encodes a record. Invalid UTF-8 becomes U+FFFD, because a path or an error text must not stop the conversation.
std::string dump(const json& record) { return record.dump(-1, ' ', false, json::error_handler_t::replace); }

json to_json(const job::OptimizerSpec& optimizer) {
  return {{"name", record_name(kOptimizerNames, optimizer.kind).value_or("")},
          {"learning_rate", optimizer.learning_rate},
          {"momentum", optimizer.momentum},
          {"weight_decay", optimizer.weight_decay},
          {"beta1", optimizer.beta1},
          {"beta2", optimizer.beta2},
          {"epsilon", optimizer.epsilon}};
}

json to_json(const Prepare& request) {
  json normalize;
  if (request.normalize) normalize = {{"mean", request.normalize->mean}, {"std", request.normalize->std}};
  json atlas;
  if (request.atlas) {
    atlas = {{"path", request.atlas->path},
             {"sha256", crypto::to_hex(request.atlas->sha256)},
             {"channels", request.atlas->channels}};
  }
  return {{"type", "prepare"},
          {"model", model::to_json(request.model)},
          {"data", to_json(request.data)},
          {"normalize", normalize},
          {"parameter_count", request.parameter_count},
          {"task", task::to_json(request.task)},
          {"loss", task::to_json(request.loss, request.task.kind)},
          {"precision", record_name(kPrecisionNames, request.precision).value_or("")},
          {"atlas", atlas}};
}

json to_json(const job::RateFactors& factors) {
  json list = json::array();
  for (const auto& [layer, factor] : factors) list.push_back({{"layer", layer}, {"factor", factor}});
  return list;
}

json to_json(const Train& request) {
  return {{"type", "train"},
          {"site", request.site},
          {"round", request.round},
          {"seed", request.seed},
          {"local_epochs", request.local_epochs},
          {"batch_size", request.batch_size},
          {"optimizer", to_json(request.optimizer)},
          {"proximal_mu", request.proximal_mu},
          {"time_limit_ms", request.time_limit_ms},
          {"gradient_clip", request.gradient_clip},
          {"learning_rates", to_json(request.learning_rates)}};
}

json to_json(const Evaluate& request) {
  return {{"type", "evaluate"},
          {"split", record_name(kSplitNames, request.split).value_or("")},
          {"batch_size", request.batch_size}};
}

json to_json(const EvaluatePatients& request) {
  return {{"type", "evaluate_patients"},
          {"split", record_name(kSplitNames, request.split).value_or("")},
          {"batch_size", request.batch_size},
          {"models", request.models},
          {"first_patient", request.first_patient},
          {"patients", request.patients}};
}

json to_json(const Look& request) { return {{"type", "look"}, {"data", to_json(request.data)}}; }

json to_json(const Cancel&) { return {{"type", "cancel"}}; }

json to_json(const Hello& reply) {
  return {{"type", "hello"},
          {"protocol", reply.protocol},
          {"software", shortened(reply.software, kMaxSoftwareBytes)},
          {"device", reply.device},
          {"sandboxed", reply.sandboxed}};
}

json to_json(const Prepared& reply) {
  return {{"type", "prepared"},
          {"train_examples", reply.train_examples},
          {"val_examples", reply.val_examples},
          {"test_examples", reply.test_examples},
          {"class_examples", reply.class_examples}};
}

json to_json(const Progress& reply) {
  return {{"type", "progress"}, {"steps_done", reply.steps_done}, {"steps_total", reply.steps_total}};
}

json to_json(const Trained& reply) {
  return {{"type", "trained"},
          {"mean_loss", reply.mean_loss},
          {"epochs_done", reply.epochs_done},
          {"partial", reply.partial},
          {"seconds", reply.seconds}};
}

json to_json(const Evaluated& reply) { return {{"type", "evaluated"}, {"seconds", reply.seconds}}; }

json to_json(const EvaluatedPatients& reply) {
  return {{"type", "evaluated_patients"}, {"seconds", reply.seconds}, {"all", reply.all}};
}

json to_json(const Looked&) { return {{"type", "looked"}}; }

json to_json(const Failed& reply) {
  return {{"type", "failed"},
          {"code", record_name(kFailureNames, reply.code).value_or("internal")},
          {"message", shortened(reply.message, kMaxMessageBytes)}};
}

}  // namespace

Result<std::shared_ptr<const task::Task>> task_of(const Prepare& request) {
  return task::make_task(request.task, static_cast<std::uint64_t>(request.model.classes));
}

std::string encode(const Request& request) {
  return std::visit([](const auto& message) { return dump(to_json(message)); }, request);
}

std::string encode(const Reply& reply) {
  return std::visit([](const auto& message) { return dump(to_json(message)); }, reply);
}

}  // namespace consilium::trainer
