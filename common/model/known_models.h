#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/model/draft.h"

namespace consilium::model {

/// The values that an option of a known model accepts. A model without this option refuses it.
struct NumberOption {
  std::int64_t low = 0;
  std::int64_t high = 0;
  std::int64_t standard = 0;
  std::int64_t multiple = 1;  ///< the number must be a multiple of this
};
struct WordOption {
  std::span<const std::string_view> words;  ///< the default first
};

struct KnownModel {
  std::string_view name;
  Draft (*draft)(const ModelSpec&);
  std::optional<NumberOption> width;
  std::optional<NumberOption> depth;
  std::optional<WordOption> stem;
  std::optional<WordOption> norm;
};

/// Returns the model of that name, or nullptr.
[[nodiscard]] const KnownModel* find_known_model(std::string_view name);

/// Checks options against what the model accepts. Fails with kInvalidArgument, naming the key.
Result<void> check_options(const KnownModel& model, const ModelOptions& options);
/// Removes the options that equal the model's defaults, so that one model has one text.
[[nodiscard]] ModelOptions without_defaults(const KnownModel& model, ModelOptions options);

// The architectures, each in its own source file.
[[nodiscard]] Draft resnet(int layers, const ModelSpec& spec);
[[nodiscard]] Draft r3d_18(const ModelSpec& spec);
[[nodiscard]] Draft densenet121(const ModelSpec& spec);
[[nodiscard]] Draft unet(const ModelSpec& spec);
[[nodiscard]] Draft fcos_resnet18(const ModelSpec& spec);

}  // namespace consilium::model
