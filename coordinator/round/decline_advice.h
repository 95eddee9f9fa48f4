#pragma once

#include <string>

namespace consilium::round {

/// Returns what a researcher can do about a site that declined ("submit the job with ..."), given the code that the
/// site sent as its reason ("roster"). For a code without specific advice, such as a rule of the site's policy, it
/// refers the researcher to the hospital.
[[nodiscard]] std::string advice_about(const std::string& reason);

}  // namespace consilium::round
