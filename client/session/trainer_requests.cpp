#include "client/session/trainer_requests.h"

#include <optional>
#include <utility>

namespace consilium::session {

trainer::Prepare prepare_request(const job::JobSpec& job, const trainer::DataSource& data, const std::string& atlas,
                                 std::uint64_t parameter_count, const task::LabelCounts& labels) {
  trainer::DataSource source = data;
  if (job.data.augment) source.augment = *job.data.augment;
  std::optional<trainer::AtlasFile> file;
  if (job.data.atlas) file = {atlas, job.data.atlas->sha256, job.data.atlas->channels};
  return {.model = job.model,
          .data = std::move(source),
          .normalize = job::input_normalization(job),
          .parameter_count = parameter_count,
          .task = job.task,
          .loss = task::with_weights(job.training.loss, job.task.kind, labels),
          .precision = job.training.precision,
          .atlas = std::move(file)};
}

trainer::Train train_request(const job::RoundOrder& order, const job::JobSpec& job, std::string site,
                             std::uint64_t seed) {
  return {.site = std::move(site),
          .round = order.round,
          .seed = seed,
          .local_epochs = order.local_epochs,
          .batch_size = order.batch_size,
          .optimizer = order.optimizer,
          .proximal_mu = order.proximal_mu,
          .time_limit_ms = order.time_limit_ms,
          .gradient_clip = job.training.gradient_clip.value_or(0.0),
          .learning_rates = job.training.learning_rates};
}

}  // namespace consilium::session
