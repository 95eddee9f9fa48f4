#pragma once

#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Opens every file of a data set for reading and closes it again. Also reads tables and the headers of arrays, but no
/// image. Fails with the first file that can't be opened, named as in the data set, or with what a table or a header
/// lacks.
Result<void> open_every_file(const trainer::DataSource& source);

}  // namespace consilium::data
