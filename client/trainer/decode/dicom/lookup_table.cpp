#include "client/trainer/decode/dicom/lookup_table.h"

#include <dcmtk/dcmdata/dcelem.h>
#include <spdlog/fmt/fmt.h>

namespace consilium::decode {

namespace {

constexpr std::size_t kMaxEntries = 65536;

}  // namespace

Result<LookupTable> read_lookup_table(DcmItem& item, const DcmTagKey& descriptor, const DcmTagKey& data) {
  CONSILIUM_ASSIGN(const std::vector<double> numbers, read_numbers(item, descriptor, 3));
  if (numbers.size() != 3) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected 3 values, found {}", name_of(descriptor), numbers.size()));
  }
  // 65536 entries don't fit into 16 bits and are written as 0. In a signed descriptor, any count above 32767 may be
  // written as a negative number.
  auto entries = static_cast<std::int64_t>(numbers[0]);
  if (entries <= 0) entries += static_cast<std::int64_t>(kMaxEntries);
  LookupTable table;
  table.first = static_cast<std::int64_t>(numbers[1]);
  table.bits = static_cast<int>(numbers[2]);
  DcmElement* element = nullptr;
  Uint16* words = nullptr;
  if (entries < 1 || entries > static_cast<std::int64_t>(kMaxEntries) || table.bits < 8 || table.bits > 16 ||
      item.findAndGetElement(data, element).bad() || element == nullptr || element->getUint16Array(words).bad() ||
      words == nullptr) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("DICOM {}: the lookup table can't be read", name_of(data)));
  }
  const auto count = static_cast<std::size_t>(entries);
  const std::size_t length = element->getLength();
  const bool packed = table.bits == 8 && length >= count && length < 2 * count;  // two entries in each word
  if (!packed && length < 2 * count) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected {} entries, found {} bytes", name_of(data), count, length));
  }
  table.values.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    table.values[i] = packed ? static_cast<std::uint16_t>((words[i / 2] >> (8 * (i % 2))) & 0xFF) : words[i];
  }
  return table;
}

}  // namespace consilium::decode
