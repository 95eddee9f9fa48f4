#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "client/trainer/data/csv_table.h"

// A table of any bytes is refused, or has as many cells in each row as in its header.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace consilium;
  const auto table = data::CsvTable::parse({reinterpret_cast<const char*>(bytes), size}, "t.csv",
                                           {.bytes = 1 << 20, .rows = 1000, .columns = 64, .cell_bytes = 256});
  if (!table) return 0;
  for (std::size_t row = 0; row < table->rows(); ++row) {
    for (std::size_t column = 0; column < table->header().size(); ++column)
      if (table->cell(row, column).size() > 256) std::abort();
  }
  return 0;
}
