#pragma once

#include <string>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// What items are told apart by: a text for each patient, and one for each item without a patient, which can't be
/// mistaken for a patient of its name. It never leaves the trainer.
[[nodiscard]] std::string owner_of(const Item& item);

/// Divides items into splits by patient: the patients are ranked by a number drawn from (seed, patient), and the ranks
/// cut at the shares, so that each split with a share has a patient where there are enough. A patient that is added or
/// removed moves few others. An item without a patient counts as a patient of its own.
void split_by_patient(std::vector<Item>& items, const trainer::SplitSource& split);

/// Checks that no patient is in two splits. The error names the splits and a file of each, not the patient.
Result<void> check_patients(const std::vector<Item>& items);

}  // namespace consilium::data
