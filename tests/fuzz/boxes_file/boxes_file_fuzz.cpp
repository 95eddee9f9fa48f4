#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "client/trainer/data/boxes_file.h"

// A COCO document of any bytes is refused, or gives boxes with finite edges and known classes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace consilium;
  std::vector<std::string> classes;
  const auto boxes = data::parse_coco_boxes({reinterpret_cast<const char*>(bytes), size}, "boxes.json", classes);
  if (!boxes) return 0;
  for (const auto& [file, list] : *boxes) {
    for (const data::Box& box : list.boxes)
      if (!std::isfinite(box.left) || !(box.right > box.left) || box.label >= classes.size()) std::abort();
  }
  return 0;
}
