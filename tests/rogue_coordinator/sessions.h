#pragma once

#include "tests/catch.h"
#include "tests/rogue_coordinator/attempt.h"

namespace consilium::rogue {

/// The stage has 40 training examples at each site.
inline constexpr std::uint64_t kExamples = 40;

inline job::RoundOrder order_of(const job::JobSpec& job, const Session& session) {
  return job::expected_order(job, session.key, session.normaliser, session.model).value();
}

/// Offers a job of all sites, and sends its first training session.
inline Session train_session(Stage& stage, const std::string& job_id = "rogue-1", std::uint32_t round = 1,
                             std::uint32_t attempt = 1) {
  const job::JobSpec job = stage.job();
  REQUIRE(stage.offer(job_id, job));
  return {{job_id, job::SumKind::kTrain, round, attempt},
          job,
          stage.model(round),
          kExamples * stage.sites().size(),
          stage.sites()};
}

}  // namespace consilium::rogue
