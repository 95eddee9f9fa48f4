#pragma once

#include <string>

#include "coordinator/journal/journal.h"
#include "coordinator/round/round_events.h"

namespace consilium::round {

/// Converts an effect to the journal's format (docs/formats/journal.md).
[[nodiscard]] journal::Entry to_entry(const std::string& job_id, const Effect& effect);

}  // namespace consilium::round
