#pragma once

#include "client/trainer/protocol/data_source.h"
#include "common/config/value.h"
#include "common/error/error.h"

namespace consilium::client {

/// Reads the description of one data set under datasets.NAME in client.yaml. Errors name the file, key and line. A
/// relative path starts at the file's folder.
Result<trainer::DataSource> read_data_description(const config::Value& value);

}  // namespace consilium::client
