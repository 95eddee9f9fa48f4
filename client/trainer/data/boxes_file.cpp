#include "client/trainer/data/boxes_file.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "client/trainer/data/csv_table.h"
#include "common/files/files.h"

namespace consilium::data {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxBytes = std::size_t{512} << 20;
constexpr std::size_t kMaxBoxesOfImage = 10000;
constexpr int kMaxDepth = 16;
constexpr double kMaxPixel = 1 << 20;
constexpr double kSmallestBox = 1e-3;

Result<Box> box_of(const std::array<double, 4>& numbers, std::size_t label) {
  const auto [x, y, width, height] = numbers;
  const Box box{static_cast<float>(x), static_cast<float>(y), static_cast<float>(x + width),
                static_cast<float>(y + height), static_cast<std::uint16_t>(label)};
  const bool sound = std::abs(x) <= kMaxPixel && std::abs(y) <= kMaxPixel && width >= kSmallestBox &&
                     height >= kSmallestBox && width <= kMaxPixel && height <= kMaxPixel && box.left < box.right &&
                     box.top < box.bottom;
  if (sound) return box;
  return refuse(fmt::format("expected x, y, width and height in pixels, found {}, {}, {}, {}", x, y, width, height));
}

Result<void> add(Boxes& boxes, const Box& box) {
  if (boxes.boxes.size() == kMaxBoxesOfImage)
    return refuse(fmt::format("more than {} boxes of one image", kMaxBoxesOfImage));
  boxes.boxes.push_back(box);
  return {};
}

std::optional<std::size_t> index_of(const std::vector<std::string>& classes, std::string_view name) {
  const auto found = std::find(classes.begin(), classes.end(), name);
  if (found == classes.end()) return std::nullopt;
  return static_cast<std::size_t>(found - classes.begin());
}

/// Returns true if a document nests deeper than COCO's does. It is rejected before parsing could exhaust the stack.
bool deeper_than(std::string_view text, int most) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (quoted) {
      if (text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        quoted = false;
      continue;
    }
    if (text[i] == '"') quoted = true;
    if (text[i] == '{' || text[i] == '[') ++depth;
    if (text[i] == '}' || text[i] == ']') --depth;
    if (depth > most) return true;
  }
  return false;
}

Result<const json*> list_in(const json& document, const char* key) {
  const auto found = document.find(key);
  if (found == document.end() || !found->is_array())
    return refuse(fmt::format("{}: expected a list, as COCO has it", key));
  return &*found;
}

bool is_id(const json& object, const char* key) { return object.contains(key) && object[key].is_number_integer(); }

/// Maps category ids to indices of classes.
Result<std::map<std::int64_t, std::size_t>> read_categories(const json& document, std::vector<std::string>& classes) {
  CONSILIUM_ASSIGN(const json* const list, list_in(document, "categories"));
  std::map<std::int64_t, std::string> names;
  for (const json& one : *list) {
    if (!one.is_object() || !is_id(one, "id") || !one.contains("name") || !one["name"].is_string())
      return refuse("categories: expected objects with a whole id and a name");
    if (names.size() == 65536 || !names.emplace(one["id"].get<std::int64_t>(), one["name"].get<std::string>()).second)
      return refuse("categories: an id is listed twice, or there are more than 65536");
  }
  if (classes.empty())
    for (const auto& [id, name] : names) classes.push_back(name);
  std::map<std::int64_t, std::size_t> indices;
  for (const auto& [id, name] : names) {
    const auto index = index_of(classes, name);
    if (!index) return refuse(fmt::format("categories: '{}' isn't in labels.classes", name));
    indices.emplace(id, *index);
  }
  return indices;
}

Result<BoxesByFile> parse_coco(const json& document, std::vector<std::string>& classes) {
  if (!document.is_object()) return refuse("expected an object with images, annotations and categories");
  CONSILIUM_ASSIGN(const auto categories, read_categories(document, classes));
  CONSILIUM_ASSIGN(const json* const images, list_in(document, "images"));
  CONSILIUM_ASSIGN(const json* const annotations, list_in(document, "annotations"));
  BoxesByFile files;
  std::map<std::int64_t, Boxes*> by_id;
  for (std::size_t i = 0; i < images->size(); ++i) {
    const json& one = (*images)[i];
    if (!one.is_object() || !is_id(one, "id") || !one.contains("file_name") || !one["file_name"].is_string())
      return refuse(fmt::format("images[{}]: expected an object with a whole id and a file_name", i));
    const auto [place, fresh] = files.emplace(one["file_name"].get<std::string>(), Boxes{});
    if (!fresh || !by_id.emplace(one["id"].get<std::int64_t>(), &place->second).second)
      return refuse(fmt::format("images[{}]: its id or file_name is listed twice", i));
    if (is_id(one, "width") && is_id(one, "height")) {
      place->second.width = one["width"].get<std::int64_t>();
      place->second.height = one["height"].get<std::int64_t>();
    }
  }
  for (std::size_t i = 0; i < annotations->size(); ++i) {
    const json& one = (*annotations)[i];
    if (!one.is_object() || !is_id(one, "image_id") || !is_id(one, "category_id") || !one.contains("bbox") ||
        !one["bbox"].is_array() || one["bbox"].size() != 4 ||
        !std::all_of(one["bbox"].begin(), one["bbox"].end(), [](const json& n) { return n.is_number(); }))
      return refuse(fmt::format("annotations[{}]: expected image_id, category_id and a bbox of four numbers", i));
    const auto image = by_id.find(one["image_id"].get<std::int64_t>());
    const auto category = categories.find(one["category_id"].get<std::int64_t>());
    if (image == by_id.end() || category == categories.end())
      return refuse(fmt::format("annotations[{}]: its image_id or category_id isn't in the file", i));
    auto box = box_of(one["bbox"].get<std::array<double, 4>>(), category->second);
    if (!box) return fail(box.error().within(fmt::format("annotations[{}]", i)));
    CONSILIUM_TRY(add(*image->second, *box));
  }
  return files;
}

Result<double> number_in(std::string_view cell) {
  double number = 0.0;
  const auto [end, fault] = std::from_chars(cell.data(), cell.data() + cell.size(), number);
  if (fault != std::errc() || end != cell.data() + cell.size() || !std::isfinite(number))
    return refuse("expected a number in x, y, width and height");
  return number;
}

/// Returns the class of a row; without a class column, the only class.
Result<std::size_t> class_in(const CsvTable& table, std::size_t row, std::optional<std::size_t> column,
                             const std::vector<std::string>& classes) {
  if (!column) return std::size_t{0};
  const auto index = index_of(classes, table.cell(row, *column));
  if (!index) return refuse("its class isn't in labels.classes");
  return *index;
}

Result<BoxesByFile> parse_csv(const CsvTable& table, std::vector<std::string>& classes) {
  std::array<std::size_t, 4> numbers{};
  CONSILIUM_ASSIGN(const std::size_t file, table.column("file"));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    CONSILIUM_ASSIGN(numbers[i], table.column(std::array{"x", "y", "width", "height"}[i]));
  }
  std::optional<std::size_t> label;
  if (const auto found = table.column("class")) label = *found;
  if (label && classes.empty()) {
    for (std::size_t row = 0; row < table.rows(); ++row)
      if (!table.cell(row, *label).empty()) classes.emplace_back(table.cell(row, *label));
    std::sort(classes.begin(), classes.end());
    classes.erase(std::unique(classes.begin(), classes.end()), classes.end());
  }
  BoxesByFile files;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    Boxes& boxes = files[std::string(table.cell(row, file))];
    std::array<double, 4> values{};
    const bool none =
        std::all_of(numbers.begin(), numbers.end(), [&](std::size_t c) { return table.cell(row, c).empty(); });
    if (none) continue;
    const auto add_row = [&]() -> Result<void> {
      for (std::size_t i = 0; i < numbers.size(); ++i) {
        CONSILIUM_ASSIGN(values[i], number_in(table.cell(row, numbers[i])));
      }
      CONSILIUM_ASSIGN(const std::size_t index, class_in(table, row, label, classes));
      CONSILIUM_ASSIGN(const Box box, box_of(values, index));
      return add(boxes, box);
    };
    if (const auto added = add_row(); !added) return fail(added.error().within(table.place(row)));
  }
  return files;
}

}  // namespace

Result<BoxesByFile> read_boxes(const std::filesystem::path& file, std::vector<std::string>& classes) {
  if (file.extension() != ".json") {
    CONSILIUM_ASSIGN(const CsvTable table, CsvTable::read(file));
    return parse_csv(table, classes);
  }
  CONSILIUM_ASSIGN(const std::string text, files::read_file(file, kMaxBytes));
  return parse_coco_boxes(text, file.filename().string(), classes);
}

Result<BoxesByFile> parse_coco_boxes(std::string_view text, const std::string& name,
                                     std::vector<std::string>& classes) {
  if (deeper_than(text, kMaxDepth)) return refuse(name + ": is nested deeper than COCO JSON can be");
  const json document = json::parse(text, nullptr, false);
  if (document.is_discarded()) return refuse(name + ": isn't valid JSON");
  auto boxes = parse_coco(document, classes);
  if (!boxes) return fail(boxes.error().within(name));
  return boxes;
}

}  // namespace consilium::data
