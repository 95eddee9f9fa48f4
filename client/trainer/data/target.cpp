#include "client/trainer/data/target.h"

#include <array>

namespace consilium::data {

std::string_view name_of(TargetKind kind) {
  constexpr std::array<std::string_view, 4> names{"class", "labels", "mask", "boxes"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace consilium::data
