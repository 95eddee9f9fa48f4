#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// What `inspect` was asked for.
struct InspectOptions {
  std::string data;         ///< a data set, as data_source_of() takes it
  std::string description;  ///< instead: the description itself, as JSON (docs/formats/trainer_protocol.md: data)
  std::optional<std::filesystem::path> sheet;  ///< where a contact sheet (PNG) goes
  unsigned threads = 2;                        ///< that decode
  bool json = false;
};

/// Finds what `inspect` shall read, as data_source_of() does, or from the description itself.
Result<DataSource> data_source_of(const InspectOptions& options);

/// `inspect`: reads every file of a data set and prints what lies in it, and what can't be read and why. What it prints
/// names files and counts patients: it is for the people at the site.
/// @param decoder  of image files; null where there are numpy's alone
/// Fails where the data set can't be listed, or more files can't be read than `loading.unreadable` allows.
Result<void> run_inspect(const InspectOptions& options, std::shared_ptr<data::ImageDecoder> decoder);

}  // namespace consilium::trainer
