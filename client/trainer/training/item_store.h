#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "client/trainer/data/item_set.h"
#include "client/trainer/data/loader.h"
#include "client/trainer/training/example_source.h"
#include "client/trainer/training/input_scale.h"
#include "common/error/error.h"
#include "common/job/job_spec.h"

namespace consilium::trainer {

/// The purpose for which a split is read.
enum class Use : std::uint8_t { kTraining, kEvaluation };

/// One split of a data set of items, which are loaded from disk while a model is trained or evaluated. Only one thread
/// may call it at a time.
class ItemStore final : public ExampleSource {
 public:
  /// @param normalize  the job's, applied after the description's own; checked as in ExampleStore
  static Result<std::unique_ptr<ItemStore>> create(std::shared_ptr<const data::ItemSet> set, job::Split split, Use use,
                                                   const std::vector<std::int64_t>& input,
                                                   const std::optional<job::Normalization>& normalize,
                                                   const at::Device& device);

  [[nodiscard]] std::int64_t size() const override { return static_cast<std::int64_t>(loader_->size()); }
  [[nodiscard]] std::vector<std::uint32_t> patients() const override;
  void begin(const data::Draw& draw, std::span<const std::int64_t> order) const override {
    loader_->begin(draw, order);
  }
  [[nodiscard]] bool are_whole() const override { return windowed_; }
  [[nodiscard]] Result<Batch> batch(std::span<const std::int64_t> rows) const override;

 private:
  ItemStore(std::shared_ptr<const data::ItemSet> set, job::Split split, Use use, std::vector<std::int64_t> input,
            const at::Device& device);

  std::shared_ptr<const data::ItemSet> set_;
  std::unique_ptr<data::Loader> loader_;
  std::vector<std::int64_t> input_;
  at::Device device_;
  bool windowed_;
  InputScale scale_;
};

}  // namespace consilium::trainer
