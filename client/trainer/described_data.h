#pragma once

#include <optional>
#include <string>

#include "client/trainer/protocol/data_source.h"
#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// Finds what a command's data set is: a file or folder by what it is, a .yaml or .yml file that describes one, or
/// "client.yaml:NAME", which is datasets.NAME of a client's configuration.
Result<DataSource> data_source_of(const std::string& data);

/// The job's atlas in the file that --atlas names; nothing where it has none. Fails with kInvalidArgument where one is
/// needed and not given, or given and not needed.
Result<std::optional<AtlasFile>> atlas_file(const job::JobSpec& job, const std::string& path);

}  // namespace consilium::trainer
