#include "client/session/trainer_requests.h"

#include <utility>

namespace consilium::session {

trainer::Prepare prepare_request(const job::JobSpec& job, const trainer::DataSource& data,
                                 std::uint64_t parameter_count, const task::LabelCounts& labels) {
  trainer::DataSource source = data;
  if (job.data.augment) source.augment = *job.data.augment;
  return {.model = job.model,
          .data = std::move(source),
          .normalize = job.data.normalize,
          .parameter_count = parameter_count,
          .task = job.task,
          .loss = task::with_weights(job.training.loss, job.task.kind, labels),
          .precision = job.training.precision};
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
