#pragma once

#include <memory>

#include "client/trainer/data/collection.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// Lists the DICOM files below a folder, whatever their names are. If labels are matched by file or image, each file is
/// an item. If they are matched by series, study or patient, each series is an item, with its files sorted by position
/// along the normal of their planes. The patient is the file's PatientID.
Result<Collection> list_dicom(const trainer::DataSource& source, std::shared_ptr<ImageDecoder> decoder);

}  // namespace consilium::data
