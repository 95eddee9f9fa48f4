#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/predict/index.h"
#include "client/trainer/predict/overlay.h"
#include "client/trainer/predict/task_results.h"

namespace consilium::predict {
namespace {

using nlohmann::json;

class ClassResults : public Results {
 public:
  ClassResults(const ResultContext& context, Index index) : context_(context), index_(std::move(index)) {}

  Result<void> take(const Image& /*image*/, std::int64_t plane, const data::Placement& /*placement*/,
                    CasePrediction prediction) override {
    taken_.emplace_back(plane, std::move(prediction.probabilities));
    return {};
  }

  Result<void> finish_image(const Image& image) override {
    for (const auto& [plane, probabilities] : std::exchange(taken_, {})) {
      const std::vector<std::string> names = names_of(probabilities);
      const bool one = is_one_of();
      json entry{{"predicted", one ? json(names.front()) : json(names)}, {"probabilities", probabilities}};
      std::string words;
      for (const std::string& name : names) words += (words.empty() ? "" : ";") + name;
      std::vector<std::string> cells{words};
      for (const double probability : probabilities) cells.push_back(fmt::format("{:.9g}", probability));
      if (context_.overlays) {
        CONSILIUM_ASSIGN(entry[kOverlay], draw(image, plane, probabilities));
      }
      CONSILIUM_TRY(index_.add(image, plane, std::move(entry), cells));
    }
    return {};
  }

  void drop_image() override { taken_.clear(); }
  Result<void> finish(const std::string& rest) override { return index_.finish(rest); }

 private:
  [[nodiscard]] bool is_one_of() const { return context_.model->spec.task.kind == task::TaskKind::kClassification; }

  /// Returns the class with the highest probability, or the labels whose probability is at least the task's threshold.
  [[nodiscard]] std::vector<std::size_t> found_in(const std::vector<double>& probabilities) const {
    if (is_one_of())
      return {static_cast<std::size_t>(std::max_element(probabilities.begin(), probabilities.end()) -
                                       probabilities.begin())};
    std::vector<std::size_t> found;
    for (std::size_t i = 0; i < probabilities.size(); ++i) {
      if (probabilities[i] >= context_.model->spec.task.threshold) found.push_back(i);
    }
    return found;
  }

  [[nodiscard]] std::vector<std::string> names_of(const std::vector<double>& probabilities) const {
    std::vector<std::string> names;
    for (const std::size_t i : found_in(probabilities)) names.push_back(context_.choice->classes[i]);
    return names;
  }

  Result<std::string> draw(const Image& image, std::int64_t plane, const std::vector<double>& probabilities) {
    Overlay overlay(plane_of(image, context_.choice->preparation, plane));
    std::vector<std::size_t> found = found_in(probabilities);
    if (found.empty()) overlay.write_line("no label", data::kWhite);
    for (const std::size_t i : found)
      overlay.write_line(fmt::format("{} {:.2f}", context_.choice->classes[i], probabilities[i]), data::kWhite);
    return write_overlay(context_, image, plane, overlay);
  }

  ResultContext context_;
  Index index_;
  std::vector<std::pair<std::int64_t, std::vector<double>>> taken_;
};

}  // namespace

Result<std::unique_ptr<Results>> make_class_results(const ResultContext& context) {
  std::vector<std::string> columns{"predicted"};
  for (const std::string& name : context.choice->classes) columns.push_back("p_" + name);
  CONSILIUM_ASSIGN(Index index, Index::create(context, columns));
  return std::unique_ptr<Results>(std::make_unique<ClassResults>(context, std::move(index)));
}

}  // namespace consilium::predict
