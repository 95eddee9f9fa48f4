#pragma once

#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Opens every file of a data set for reading and closes it again, reads tables and the headers of arrays, and no
/// image. Fails with the first file that can't be opened, by its name in the data set, and with what a table or header
/// lacks.
Result<void> open_every_file(const trainer::DataSource& source);

}  // namespace consilium::data
