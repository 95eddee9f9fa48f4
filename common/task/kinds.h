#pragma once

#include <memory>

#include "common/task/task.h"

/// The four kinds of task that make_task() creates.
namespace consilium::task {

[[nodiscard]] std::shared_ptr<const Task> make_classification(const TaskSpec& spec, std::uint64_t classes);
[[nodiscard]] std::shared_ptr<const Task> make_multi_label(const TaskSpec& spec, std::uint64_t classes);
[[nodiscard]] std::shared_ptr<const Task> make_segmentation(const TaskSpec& spec, std::uint64_t classes);
[[nodiscard]] std::shared_ptr<const Task> make_detection(const TaskSpec& spec, std::uint64_t classes);

/// Returns the fields `examples` and `loss`.
[[nodiscard]] std::vector<encoding::Field> first_fields();
/// Appends the mean of the examples' losses. The trainer rounded the sum once for each site.
void add_loss(const Counts& counts, Metrics& metrics);

}  // namespace consilium::task
