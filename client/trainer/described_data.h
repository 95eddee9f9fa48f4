#pragma once

#include <optional>
#include <string>

#include "client/trainer/protocol/data_source.h"
#include "client/trainer/protocol/messages.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// Returns the data set that a command names. It can be a file or folder, whose type is recognised from what it is; a
/// .yaml or .yml file that describes a data set; or "client.yaml:NAME", the entry datasets.NAME of a client's
/// configuration.
Result<DataSource> data_source_of(const std::string& data);

/// Returns the job's atlas, in the file that --atlas names, or nothing if the job has none. Fails with kInvalidArgument
/// if the job needs an atlas and no file is given, or if a file is given and the job needs none.
Result<std::optional<AtlasFile>> atlas_file(const job::JobSpec& job, const std::string& path);

}  // namespace consilium::trainer
