#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// The options of `inspect`.
struct InspectOptions {
  std::string data;         ///< a data set, in the form that data_source_of() accepts
  std::string description;  ///< alternative to `data`: the description as JSON (docs/formats/trainer_protocol.md: data)
  std::optional<std::filesystem::path> sheet;  ///< where to write a contact sheet (PNG)
  unsigned threads = 2;                        ///< number of decoding threads
  bool json = false;
};

/// Returns the data set that `inspect` reads: from `data` as data_source_of() does, or from the description.
Result<DataSource> data_source_of(const InspectOptions& options);

/// Runs `inspect`: reads every file of a data set and prints what it contains, and which files can't be read and why.
/// The output names files and counts patients, so it is meant only for the people at the site.
/// Fails if the data set can't be listed, or if more files are unreadable than `loading.unreadable` allows.
/// @param decoder  decodes image files; can be null if the data set has only numpy files
Result<void> run_inspect(const InspectOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

}  // namespace consilium::trainer
