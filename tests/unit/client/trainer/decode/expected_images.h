#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/trainer/data/decoded_image.h"
#include "client/trainer/decode/pixel_values.h"
#include "tests/catch.h"

namespace consilium::decode {

inline const std::filesystem::path kImages = CONSILIUM_SOURCE_DIR "/tests/fixtures/images";

/// Reads expected.json: what pydicom, nibabel and Pillow decode from each file (tests/fixtures/make_image_fixtures.py).
inline nlohmann::json read_expected() {
  std::ifstream file(kImages / "expected.json");
  return nlohmann::json::parse(file);
}

inline std::vector<std::uint8_t> read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Returns how a decoded image differs from the expected one, or "" if it doesn't.
inline std::string difference(const data::DecodedImage& image, const nlohmann::json& pixels, double tolerance) {
  if (nlohmann::json(image.shape) != pixels.at("shape")) return "shape " + nlohmann::json(image.shape).dump();
  const auto values = pixels.at("values").get<std::vector<double>>();
  if (count_of(image.pixels) != values.size()) return "another number of pixels";
  return std::visit(
      [&](const auto& found) -> std::string {
        for (std::size_t i = 0; i < values.size(); ++i) {
          const auto value = static_cast<double>(found[i]);
          if (std::abs(value - values[i]) > tolerance + 1e-5 * std::abs(values[i])) {
            return "value " + std::to_string(i) + " is " + std::to_string(value) + ", expected " +
                   std::to_string(values[i]);
          }
        }
        return "";
      },
      image.pixels);
}

template <std::size_t N>
bool near(const std::array<double, N>& found, const nlohmann::json& expected) {
  const auto values = expected.get<std::vector<double>>();
  return std::ranges::equal(found, values, [](double a, double b) { return std::abs(a - b) < 1e-4; });
}

}  // namespace consilium::decode
