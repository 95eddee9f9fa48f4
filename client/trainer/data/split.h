#pragma once

#include <string>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Returns the text that tells items' owners apart: one for each patient, and one for each item without a patient. The
/// latter can't be mistaken for a patient of the same name. The text never leaves the trainer.
[[nodiscard]] std::string owner_of(const Item& item);

/// Divides items into splits by patient. The patients are ranked by a number drawn from (seed, patient), and the
/// ranking is cut according to the shares, so that each split with a share has a patient if there are enough. Adding or
/// removing a patient moves few others. An item without a patient counts as a patient of its own.
void split_by_patient(std::vector<Item>& items, const trainer::SplitSource& split);

/// Checks that no patient is in two splits. The error names the splits and a file from each, but not the patient.
Result<void> check_patients(const std::vector<Item>& items);

}  // namespace consilium::data
