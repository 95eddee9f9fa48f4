#include "client/approval/desk.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/approval/job_gate.h"
#include "client/approval/job_in_words.h"
#include "common/job/job_text.h"

namespace consilium::approval {
namespace {

using nlohmann::json;

bool is_prefix(std::string_view selector) {
  return selector.size() >= kShortestPrefix && selector.size() <= 2 * sizeof(crypto::Digest) &&
         std::ranges::all_of(selector, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

std::string lower(std::string_view text) {
  std::string lowered(text);
  std::ranges::transform(lowered, lowered.begin(), [](char c) { return c >= 'A' && c <= 'F' ? char(c + 32) : c; });
  return lowered;
}

std::string_view word_of(const std::optional<Decision>& decision, bool accepted) {
  if (decision) return decision->approved ? "approved" : "declined";
  return accepted ? "accepted" : "waits";
}

json decision_json(const std::optional<Decision>& decision) {
  if (!decision) return nullptr;
  return {{"approved", decision->approved}, {"by", decision->by}, {"at", decision->at}};
}

}  // namespace

/// Answers one request.
class Desk::Answers {
 public:
  Answers(const Parts& parts, const std::string& user) : parts_(parts), user_(user) {}

  Result<json> answer(const std::string& command, const std::string& job, const std::string& researcher) const {
    if (command == "jobs") return jobs();
    if (command == "releases") return releases();
    if (command == "ledger" && parts_.ledger) {
      CONSILIUM_ASSIGN(std::string content, parts_.ledger(job));
      return json{{"ledger", std::move(content)}};
    }
    if (command != "show" && command != "approve" && command != "decline") {
      return fail(ErrorCode::kInvalidArgument, "expected the command jobs, show, approve, decline or releases");
    }
    CONSILIUM_ASSIGN(const Offer offer, find(job, researcher));
    if (command == "approve" && (lower(job) != crypto::to_hex(offer.job.digest) || researcher.empty())) {
      // The coordinator assigns job ids, and a researcher could create two jobs whose digests begin alike. Since the
      // job was shown, an id or a prefix may therefore have come to mean another job.
      return fail(ErrorCode::kInvalidArgument,
                  "expected the whole digest and the researcher, as at the end of `show`");  // check: approved-is-shown
    }
    if (command != "show") {
      CONSILIUM_TRY(parts_.approvals.decide({offer.job, command == "approve", user_, parts_.now()}));
      if (parts_.decided) parts_.decided();
    }
    return show(offer);
  }

 private:
  Result<json> jobs() const {
    CONSILIUM_ASSIGN(const std::vector<Offer> offers, parts_.approvals.offers());
    json list = json::array();
    for (const Offer& offer : offers) {
      CONSILIUM_ASSIGN(json entry, summary(offer));
      list.push_back(std::move(entry));
    }
    return json{{"jobs", std::move(list)}};
  }

  Result<json> summary(const Offer& offer) const {
    CONSILIUM_ASSIGN(const auto decision, parts_.approvals.decision(offer.job));
    CONSILIUM_ASSIGN(const bool accepted, runs(offer));
    return json{{"job_id", offer.job_id},
                {"digest", crypto::to_hex(offer.job.digest)},
                {"researcher", offer.job.researcher},
                {"seen_at", offer.seen_at},
                {"state", word_of(decision, accepted)},
                {"decision", decision_json(decision)}};
  }

  Result<json> show(const Offer& offer) const {
    CONSILIUM_ASSIGN(json answer, summary(offer));
    CONSILIUM_ASSIGN(const job::JobSpec spec, job::parse_job(offer.spec, offer.job_id));
    CONSILIUM_ASSIGN(const auto decision, parts_.approvals.decision(offer.job));
    CONSILIUM_ASSIGN(const auto counted, parts_.approvals.accepted(offer.job.digest));
    CONSILIUM_ASSIGN(const bool accepted, runs(offer));
    const auto roster = parts_.roster ? parts_.roster() : nullptr;
    SumBudget budget{population_of(spec, roster.get()), 0, counted.has_value(), parts_.maximum_sums()};
    CONSILIUM_ASSIGN(budget.used, parts_.approvals.sums_of(budget.population, {names_before(spec, roster.get()), 0}));
    const ReleaseCount releases = releases_of(spec);
    answer["unusual"] = unusual_in(spec);
    answer["sums"] = {{"updates", releases.updates},
                      {"counts", releases.counts},
                      {"used", budget.used},
                      {"counted", budget.counted},
                      {"maximum", budget.maximum ? json(*budget.maximum) : json()}};
    answer["spec"] = json::parse(offer.spec, nullptr, false);
    json facts = json::array();
    for (const auto& [name, text] : facts_of(offer, spec, decision, accepted, budget))
      facts.push_back(json::array({name, text}));
    answer["facts"] = std::move(facts);
    return answer;
  }

  /// Returns true if the site serves this offer's job under this id.
  Result<bool> runs(const Offer& offer) const {
    CONSILIUM_ASSIGN(const auto accepted, parts_.approvals.accepted(offer.job.digest));
    return accepted && accepted->job_id == offer.job_id;
  }

  Result<json> releases() const {
    if (!parts_.releases) {
      return fail(ErrorCode::kFailedPrecondition,
                  "the list of releases is kept by the daemon; start it, then ask again");
    }
    CONSILIUM_ASSIGN(const std::vector<Release> given, parts_.releases());
    json list = json::array();
    for (const Release& release : given) {
      list.push_back({{"population", release.population},
                      {"job_id", release.job_id},
                      {"researcher", release.researcher},
                      {"kind", release.kind},
                      {"round", release.round},
                      {"group", release.group},
                      {"at", release.at}});
    }
    CONSILIUM_ASSIGN(const std::vector<Decision> decided, parts_.approvals.decisions());
    json decisions = json::array();
    for (const Decision& decision : decided) {
      json entry = decision_json(decision);
      entry["digest"] = crypto::to_hex(decision.job.digest);
      entry["researcher"] = decision.job.researcher;
      decisions.push_back(std::move(entry));
    }
    return json{{"releases", std::move(list)}, {"decisions", std::move(decisions)}};
  }

  /// Returns the offer that a digest, a prefix of one, or a job id identifies.
  /// @param researcher  the researcher who submitted it; "" if not specified
  Result<Offer> find(const std::string& selector, const std::string& researcher) const {
    CONSILIUM_ASSIGN(const std::vector<Offer> offers, parts_.approvals.offers());
    const std::string hex = lower(selector);
    std::vector<Offer> found;
    std::vector<std::string> others;
    for (const Offer& offer : offers) {
      const bool by_digest = is_prefix(hex) && crypto::to_hex(offer.job.digest).starts_with(hex);
      if (!by_digest && offer.job_id != selector) continue;
      if (researcher.empty() || offer.job.researcher == researcher) {
        found.push_back(offer);
      } else {
        others.push_back(offer.job.researcher);
      }
    }
    if (found.size() == 1) return found.front();
    if (found.empty() && !others.empty()) {
      return fail(ErrorCode::kNotFound, fmt::format("the job {} was submitted by {}, not by '{}'; look at it with: "
                                                    "consilium-client show {}",
                                                    selector, fmt::join(others, ", "), researcher, selector));
    }
    if (found.empty()) {
      return fail(ErrorCode::kNotFound,
                  fmt::format("no offered job has the id or digest '{}'; expected a job id, or at least {} digits of a "
                              "digest. List the jobs with: consilium-client jobs",
                              selector, kShortestPrefix));
    }
    std::string list;
    for (const Offer& offer : found) {
      list += fmt::format("{}{} of {} ({})", list.empty() ? "" : ", ", offer.job_id, offer.job.researcher,
                          crypto::to_hex(offer.job.digest).substr(0, 16));
    }
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' names {} jobs: {}", selector, found.size(), list));
  }

  const Parts& parts_;
  const std::string& user_;
};

std::string Desk::answer(std::string_view request, const std::string& user) const {
  const json asked = json::parse(request, nullptr, false);
  const auto text = [&](const char* key) {
    return asked.is_object() && asked.contains(key) && asked[key].is_string() ? asked[key].get<std::string>() : "";
  };
  const auto outcome = Answers(parts_, user).answer(text("command"), text("job"), text("researcher"));
  const json answer =
      outcome ? *outcome : json{{"error", name_of(outcome.error().code)}, {"message", outcome.error().message}};
  return answer.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace consilium::approval
