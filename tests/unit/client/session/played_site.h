#pragma once

#include <string>
#include <utility>
#include <vector>

#include "client/session/session_machine.h"
#include "tests/unit/client/approval/signing.h"

namespace consilium::session {

/// A site with a policy, driven by the test.
class PlayedSite {
 public:
  explicit PlayedSite(const std::string& policy, std::string name = {}, crypto::Digest key = {},
                      roster::Roster roster = {})
      : policy_(policy::parse_policy(policy, "policy.yaml").value()),
        desk_(std::make_unique<Desk>()),
        context_{policy_, {"chest"}, "test", std::move(name), key, std::move(roster), &desk_->gate} {
    context_.roster.researchers = approval::signing().roster;
    state_.coordinator = approval::kHub;
  }

  /// Approves a researcher's job, as a person at the site does.
  void approve(const job::JobSpec& job, const std::string& researcher = "ada") { decide(job, researcher, true); }
  void decline(const job::JobSpec& job, const std::string& researcher = "ada") { decide(job, researcher, false); }

  /// Feeds an event and returns the site's actions.
  std::vector<SiteEffect> feed(const SiteEvent& event) {
    auto [state, effects] = advance(std::move(state_), event, context_);
    state_ = std::move(state);
    return effects;
  }
  std::vector<SiteEffect> receive(wire::CoordinatorMessage message) { return feed(Received{std::move(message)}); }

  [[nodiscard]] const SiteState& state() const { return state_; }

 private:
  struct Desk {
    pki::TemporaryFolder folder;
    std::unique_ptr<approval::Approvals> approvals = approval::Approvals::open(folder.path()).value();
    approval::JobGate gate{{*approvals, approval::signing().trust, "lung", [] { return approval::kNow; }}};
  };

  void decide(const job::JobSpec& job, const std::string& researcher, bool approved) {
    REQUIRE(desk_->approvals->decide({{job::job_digest(job), researcher}, approved, "root", approval::kNow}));
  }

  policy::Policy policy_;
  std::unique_ptr<Desk> desk_;
  SiteContext context_;
  SiteState state_;
};

template <class T>
std::vector<T> only(const std::vector<SiteEffect>& effects) {
  std::vector<T> found;
  for (const SiteEffect& effect : effects) {
    if (const T* wanted = std::get_if<T>(&effect)) found.push_back(*wanted);
  }
  return found;
}

template <class T>
std::vector<T> sent(const std::vector<SiteEffect>& effects) {
  std::vector<T> found;
  for (const Send& send : only<Send>(effects)) {
    if (const T* wanted = std::get_if<T>(&send.message)) found.push_back(*wanted);
  }
  return found;
}

}  // namespace consilium::session
