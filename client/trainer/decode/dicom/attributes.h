#pragma once

#include <dcmtk/dcmdata/dcitem.h>
#include <dcmtk/dcmdata/dctagkey.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/error/error.h"

/// Reads single attributes of a DICOM data set strictly, unlike DCMTK, which reads "1A" as 1. Errors name the attribute
/// but never its value, which could identify a patient.
namespace consilium::decode {

/// Returns the numbers of an attribute (of any numeric or text representation), at most `max_count` of them, all
/// finite. Returns none if it is missing or empty.
Result<std::vector<double>> read_numbers(DcmItem& item, const DcmTagKey& key, std::size_t max_count);

/// Returns the only number of an attribute, or nothing if it is missing or empty.
Result<std::optional<double>> read_number(DcmItem& item, const DcmTagKey& key);

/// Returns the only number of an attribute, an integer from `least` to `most`. Returns `otherwise` if it is missing or
/// empty.
Result<std::int64_t> read_integer(DcmItem& item, const DcmTagKey& key, std::int64_t least, std::int64_t most,
                                  std::int64_t otherwise);

/// Returns the first text of an attribute as UTF-8, at most 256 bytes, without surrounding blanks; empty if it is
/// missing. Text that isn't UTF-8 is read as Latin-1, so that different bytes stay different.
Result<std::string> read_text(DcmItem& item, const DcmTagKey& key);

/// Returns the items of a sequence, or none if it is missing.
std::vector<DcmItem*> read_items(DcmItem& item, const DcmTagKey& key);

/// Returns the first item of a sequence, or nullptr.
DcmItem* first_item(DcmItem* item, const DcmTagKey& key);

/// Returns an attribute's readable name: "(0028,0010) Rows".
std::string name_of(const DcmTagKey& key);

}  // namespace consilium::decode
