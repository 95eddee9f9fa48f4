#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "coordinator/daemon_config.h"

/// Every reader of a configuration refuses or accepts any text. A policy without a digest never accepts an empty job.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto coordinator = consilium::coordinator::parse_coordinator_config(text, "fuzz", "/etc");
  if (coordinator && !coordinator->state_dir.is_absolute()) std::abort();
  const auto client = consilium::client::parse_client_config(text, "fuzz", "/etc");
  if (client && client->site.empty()) std::abort();
  const auto policy = consilium::policy::parse_policy(text, "fuzz");
  if (policy && policy->accepted_digests().empty() && policy->judge({}, {}, "").refusals.empty()) std::abort();
  return 0;
}
