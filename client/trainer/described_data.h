#pragma once

#include <string>

#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Finds what a command's data set is: a file or folder by what it is, a .yaml or .yml file that describes one, or
/// "client.yaml:NAME", which is datasets.NAME of a client's configuration.
Result<DataSource> data_source_of(const std::string& data);

}  // namespace consilium::trainer
