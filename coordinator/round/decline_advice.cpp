#include "coordinator/round/decline_advice.h"

#include <array>
#include <string_view>
#include <utility>

namespace consilium::round {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kAdvice{{
    {"roster",
     "its roster and yours differ, so get the newest one from the consortium's certificate authority and submit the "
     "job with it"},
    {"job_id", "it has already had this same job, so change the job's seed and submit it again"},
    {"signature",
     "submit the job again if its signature has expired; otherwise ask the consortium's certificate authority whether "
     "the hospitals' roster lists you with your key"},
    {"datasets", "ask that hospital what its data set is called, and whether its policy lists it"},
    {"examples",
     "ask the consortium's certificate authority for a roster with a higher bound, and submit the job with it"},
}};

}  // namespace

std::string advice_about(const std::string& reason) {
  for (const auto& [word, advice] : kAdvice) {
    if (reason == word) return std::string(advice);
  }
  return "ask that hospital for its reason";
}

}  // namespace consilium::round
