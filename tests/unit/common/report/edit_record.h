#pragma once

#include <cstddef>
#include <utility>

#include "common/report/history.h"

namespace consilium::report {

/// Changes a copy of one record, and replaces the record by it.
/// @param change  receives a RoundRecord&
template <class Change>
void edit_record(History& history, std::size_t place, Change change) {
  RoundRecord record = history[place];
  change(record);
  history.replace(place, std::move(record));
}

}  // namespace consilium::report
