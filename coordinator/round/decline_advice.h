#pragma once

#include <string>

namespace consilium::round {

/// What a researcher can do about a site that declined, by the word that it gave ("roster"): "submit the job with ...".
/// A word that has no answer of its own, such as a rule of the policy, sends the researcher to the hospital.
[[nodiscard]] std::string advice_about(const std::string& reason);

}  // namespace consilium::round
