#include "client/trainer/predict/results.h"

#include "client/trainer/predict/task_results.h"

namespace consilium::predict {

Result<std::unique_ptr<Results>> make_results(const ResultContext& context) {
  switch (context.model->spec.task.kind) {
    case task::TaskKind::kSegmentation:
      return make_mask_results(context);
    case task::TaskKind::kDetection:
      return make_box_results(context);
    default:
      return make_class_results(context);
  }
}

}  // namespace consilium::predict
