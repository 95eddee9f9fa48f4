#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "common/random/random_stream.h"
#include "tests/catch.h"

namespace consilium::simulation {

struct Folder {
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "simulation-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::filesystem::path path;
};

/// Points around two centres, which a linear model can separate.
inline data::Split points(std::size_t count, const std::string& name) {
  RandomStream stream(1, RandomPurpose::kSynthetic, 0, name);
  data::Split split;
  std::vector<float> values;
  for (std::size_t i = 0; i < count; ++i) {
    const auto label = static_cast<std::uint16_t>(stream.below(2));
    for (int f = 0; f < 4; ++f) values.push_back((label == 1 ? 0.5F : -0.5F) + 2.0F * (stream.next_float() - 0.5F));
    split.labels.push_back(label);
  }
  split.values = values;
  return split;
}

}  // namespace consilium::simulation
