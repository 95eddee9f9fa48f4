#pragma once

#include <cstdint>
#include <vector>

#include "client/trainer/decode/dicom/attributes.h"
#include "common/error/error.h"

namespace consilium::decode {

/// A DICOM lookup table (PS3.3 C.7.6.3.1.5 and C.11.1.1.1), which maps stored values.
struct LookupTable {
  std::int64_t first = 0;  ///< the stored value that maps to values[0]; smaller ones map to it too, larger ones than
                           ///< the table to the last entry
  int bits = 16;           ///< of each entry: 8 to 16
  std::vector<std::uint16_t> values;

  [[nodiscard]] std::uint16_t operator()(std::int64_t stored) const {
    const std::int64_t index = stored - first;
    if (index <= 0) return values.front();
    return values[std::min(static_cast<std::size_t>(index), values.size() - 1)];
  }
};

/// Reads a table from its descriptor and its data. Fails with kInvalidArgument if either is missing or broken.
Result<LookupTable> read_lookup_table(DcmItem& item, const DcmTagKey& descriptor, const DcmTagKey& data);

}  // namespace consilium::decode
