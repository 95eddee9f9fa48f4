#include "coordinator/round/effect_json.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace consilium::round {

namespace {

using Json = nlohmann::json;

Json to_json(const job::SessionKey& key) {
  return {{"kind", job::name_of(key.kind)}, {"round", key.round}, {"attempt", key.attempt}};
}

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::kPending:
      return "pending";
    case Standing::kUpdate:
      return "update";
    case Standing::kPartial:
      return "partial";
    case Standing::kFailed:
      return "failed";
  }
  return "unknown";
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kFinished:
      return "finished";
    case Outcome::kStopped:
      return "stopped";
    case Outcome::kFailed:
      return "failed";
  }
  return "unknown";
}

Json to_json(const Answers& answers) {
  Json json = Json::object();
  for (const auto& [site, answer] : answers) {
    Json& entry = json[site];
    entry["answer"] = name_of(answer.standing);
    if (!answer.reason.empty()) entry["reason"] = answer.reason;
    if (answer.examples) entry["examples"] = *answer.examples;
  }
  return json;
}

struct Writer {
  std::pair<std::string, Json> operator()(const OfferJob& action) const { return {"ask", {{"site", action.site}}}; }
  std::pair<std::string, Json> operator()(const OpenSession& action) const {
    Json detail{{"session", to_json(action.key)}, {"cohort", action.cohort}, {"normaliser", action.normaliser}};
    if (!action.labels.empty())
      detail["labels"] = {{"examples", action.labels.examples}, {"classes", action.labels.classes}};
    return {"offer", std::move(detail)};
  }
  std::pair<std::string, Json> operator()(const CancelSession& action) const {
    return {"cancel", {{"session", to_json(action.key)}, {"sites", action.sites}, {"reason", action.reason}}};
  }
  std::pair<std::string, Json> operator()(const UnmaskSum& action) const {
    return {"unmask", {{"session", to_json(action.key)}}};
  }
  std::pair<std::string, Json> operator()(const CloseSum& action) const {
    return {"close",
            {{"session", to_json(action.key)},
             {"answers", to_json(action.answers)},
             {"members", action.members},
             {"member_examples", action.member_examples},
             {"normaliser", action.normaliser}}};
  }
  std::pair<std::string, Json> operator()(const DropSum& action) const {
    return {"drop",
            {{"session", to_json(action.key)}, {"reason", action.reason}, {"answers", to_json(action.answers)}}};
  }
  std::pair<std::string, Json> operator()(const Publish& action) const {
    return {"commit", {{"session", to_json(action.key)}, {"model", crypto::to_hex(action.model)}}};
  }
  std::pair<std::string, Json> operator()(const KeepBest& action) const {
    return {"best", {{"round", action.round}, {"model", crypto::to_hex(action.model)}}};
  }
  std::pair<std::string, Json> operator()(const EndJob& action) const {
    return {"end", {{"outcome", name_of(action.outcome)}, {"message", action.message}, {"sites", action.sites}}};
  }
};

}  // namespace

journal::Entry to_entry(const std::string& job_id, const Effect& effect) {
  auto [kind, detail] = std::visit(Writer{}, effect.action);
  // Sites choose these texts, so invalid UTF-8 is replaced instead of causing an exception.
  return {effect.id, job_id, std::move(kind), detail.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

}  // namespace consilium::round
