#include "common/task/outputs.h"

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <string>

namespace consilium::task {
namespace {

std::string text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

tl::unexpected<Error> refuse(const Task& task, const std::string& expected, std::span<const Shape> outputs) {
  std::string found;
  for (const Shape& shape : outputs) found += (found.empty() ? "" : ", ") + text(shape);
  return fail(ErrorCode::kInvalidArgument, fmt::format("{} needs a model that yields {}, but this one yields {}",
                                                       name_of(task.spec().kind), expected, found));
}

/// Returns the outputs of a detector for an image [channels, height, width].
std::vector<Shape> detector_outputs(std::int64_t classes, const Shape& input, std::size_t levels) {
  std::vector<Shape> outputs;
  for (std::size_t level = 0; level < levels; ++level) {
    const std::int64_t stride = level_stride(level);
    const std::int64_t height = (input[1] + stride - 1) / stride;
    const std::int64_t width = (input[2] + stride - 1) / stride;
    for (const std::int64_t channels : {classes, std::int64_t{4}, std::int64_t{1}})
      outputs.push_back({channels, height, width});
  }
  return outputs;
}

}  // namespace

Result<void> check_outputs(const Task& task, const Shape& input, std::span<const Shape> outputs) {
  const auto classes = static_cast<std::int64_t>(task.classes());
  const auto is_one = [&](const Shape& expected) -> Result<void> {
    if (outputs.size() == 1 && outputs[0] == expected) return {};
    return refuse(task, text(expected), outputs);
  };
  switch (task.spec().kind) {
    case TaskKind::kClassification:
    case TaskKind::kMultiLabel:
      return is_one({classes});
    case TaskKind::kSegmentation: {
      if (input.size() < 3) return refuse(task, "a map of an image", outputs);
      Shape expected = input;
      expected[0] = classes;
      return is_one(expected);
    }
    case TaskKind::kDetection: {
      const std::size_t levels = outputs.size() / 3;
      if (input.size() != 3 || outputs.empty() || outputs.size() % 3 != 0 || levels > kMaxLevels)
        return refuse(task, "three outputs for each level of an image", outputs);
      const std::vector<Shape> expected = detector_outputs(classes, input, levels);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        if (outputs[i] != expected[i])
          return refuse(task, fmt::format("{} as output {}", text(expected[i]), i), outputs.subspan(i, 1));
      }
      return {};
    }
  }
  return fail(ErrorCode::kInvalidArgument, "unknown kind of task");
}

}  // namespace consilium::task
