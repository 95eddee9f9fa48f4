#include "client/session/session_worker.h"

#include <spdlog/fmt/fmt.h>

#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "client/masking/masked_vector.h"
#include "client/session/contribution.h"
#include "client/session/group_work.h"
#include "client/session/model_cache.h"
#include "client/session/site_trainer.h"
#include "common/logging/event.h"
#include "common/process/event_queue.h"

namespace consilium::session {
namespace {

/// Maximum number of steps that may wait for the trainer. A site has one active session, so with an honest coordinator
/// only a few wait.
constexpr std::size_t kMaxSteps = 64;

}  // namespace

class SessionWorker::Impl {
 public:
  explicit Impl(Parts parts)
      : parts_(std::move(parts)),
        models_(parts_.models),
        trainer_(parts_.trainer, parts_.data, parts_.site, models_, LocalTensors(parts_.local)),
        group_work_({trainer_, parts_.groups, parts_.link, models_, parts_.trainer.threads}),
        thread_([this] { loop(); }) {}

  ~Impl() {
    steps_.close();
    {
      const std::scoped_lock lock(mutex_);
      if (stop_) stop_->request_stop();
    }
    thread_.join();
  }

  /// A step: the session that it belongs to (none for, say, warming up or checking a total), and what to do.
  struct StepCall {
    std::optional<job::SessionKey> key;
    std::function<Result<std::optional<SiteEvent>>(std::stop_token)> call;
  };

  /// Queues a step. If there is no room, the step fails at once, so that a coordinator which opens and closes sessions
  /// without end can't fill the memory.
  void post(StepCall step) {
    const std::optional<job::SessionKey> key = step.key;
    if (steps_.post_if_room(std::move(step)) || !key || steps_.closed()) return;
    parts_.report(
        StepFailed{*key, {ErrorCode::kResourceExhausted, "too many steps are waiting for this site's trainer"}});
  }

  void abandon(const job::SessionKey& key) {
    const std::scoped_lock lock(mutex_);
    if (current_ == key && stop_) {
      stop_->request_stop();
    } else {
      abandoned_ = key;  // still queued; dropped when its turn comes
    }
  }

  void change_data(SiteData data) {
    const std::scoped_lock lock(mutex_);
    changed_data_ = std::move(data);
  }

  Result<std::optional<SiteEvent>> start(const std::function<void(const Error&)>& failed) {
    if (const auto hello = trainer_.start(); !hello) failed(hello.error());
    return std::optional<SiteEvent>();
  }

  Result<std::optional<SiteEvent>> warm(const AcceptedJob& job, std::stop_token stop) {
    trainer_.look_at_data_again();  // a new job starts with the data files as they are now
    CONSILIUM_TRY(trainer_.prepare(job, stop));
    return std::optional<SiteEvent>();
  }

  Result<std::optional<SiteEvent>> forget(const crypto::Digest& job) {
    trainer_.forget(job);
    return std::optional<SiteEvent>();
  }

  Result<std::optional<SiteEvent>> fetch(const ActiveSession& session, std::stop_token stop) {
    CONSILIUM_TRY(fetch_model(session, stop));
    return std::optional<SiteEvent>(Fetched{session.key});
  }

  Result<std::optional<SiteEvent>> work(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
    words_.clear();
    // Totals of other jobs may have displaced the model from the cache since it was fetched.
    std::error_code ignored;
    const bool needed = session.order.kind != job::SumKind::kCensus;
    if (needed && !std::filesystem::exists(models_.file_of(session.order.model), ignored))
      CONSILIUM_TRY(fetch_model(session, stop));
    if (session.whole_group) return report_of(group_work_.work(session, job, stop));
    CONSILIUM_TRY(trainer_.prepare(job, stop, session.order.labels));
    bool has_vector = true;
    switch (session.order.kind) {
      case job::SumKind::kCensus: {
        CONSILIUM_ASSIGN(words_, census_contribution(session.order, trainer_.prepared()));
        break;
      }
      case job::SumKind::kTrain: {
        CONSILIUM_ASSIGN(has_vector, train(session, job, stop));
        break;
      }
      case job::SumKind::kEvaluate:
        CONSILIUM_TRY(evaluate(session, job, stop));
        break;
    }
    return std::optional<SiteEvent>(Worked{session.key, has_vector});
  }

  /// Mode masked: uploads the sealed vector of the sum, hidden by the attempt's masks.
  Result<std::optional<SiteEvent>> upload_group(const Upload& upload, masking::GroupMasks masks, std::stop_token stop) {
    auto sent = group_work_.upload(upload, std::move(masks), stop);
    if (sent) log_round(upload.session, false);
    return report_of(std::move(sent));
  }

  Result<std::optional<SiteEvent>> check_total(const CheckTotal& effect, const std::stop_token& stop) {
    return std::optional<SiteEvent>(group_work_.check_total(effect, stop));
  }

  Result<std::optional<SiteEvent>> upload(const ActiveSession& session, std::span<const secagg::MaskTerm> masks,
                                          std::stop_token stop) {
    if (session.masked) {
      CONSILIUM_TRY(upload_masked(session, masks, stop));
    } else {
      CONSILIUM_TRY(parts_.link.upload(session.key, words_, stop));
    }
    words_.clear();
    log_round(session, !session.masked);
    return std::optional<SiteEvent>(Uploaded{session.key});
  }

 private:
  Result<void> fetch_model(const ActiveSession& session, const std::stop_token& stop) {
    const crypto::Digest& model = session.order.model;
    if (trainer_.global(model).empty()) {
      models_.make_room(models_.file_of(model));  // check: model-room
      CONSILIUM_TRY(parts_.link.fetch(model, session.model_bytes, models_.file_of(model), stop));
    }
    models_.prune(model);
    return {};
  }

  /// Logs how long this site trained in a round and how much it sent. Only plain jobs log the loss: nobody else may
  /// learn anything about a site's data from a masked job, and people collect logs and pass them on.
  void log_round(const ActiveSession& session, bool with_loss) const {
    const SiteTrainer::Update* update = trainer_.update_of(session.order);
    if (session.order.kind != job::SumKind::kTrain || update == nullptr) return;
    const std::uint64_t bytes = session.order.layout.word_count() * sizeof(std::uint32_t);
    logging::Fields fields{.job = session.key.job_id, .round = session.key.round};
    fields.more = {{"training_seconds", update->result.seconds}, {"bytes_sent", bytes}};
    std::string loss;
    if (with_loss) {
      fields.more.emplace_back("loss", update->result.mean_loss);
      loss = fmt::format("loss {:.4f}, ", update->result.mean_loss);
    }
    logging::event(logging::Event::kRoundSent, fields,
                   fmt::format("job {}: round {}: trained {:.2f} s, {}sent {} bytes", session.key.job_id,
                               session.key.round, update->result.seconds, loss, bytes));
  }

  static Result<std::optional<SiteEvent>> report_of(Result<SiteEvent> event) {
    if (!event) return fail(std::move(event).error());
    return std::optional<SiteEvent>(*std::move(event));
  }

  void loop() {
    while (auto step = steps_.take()) {
      std::stop_source stop;
      {
        const std::scoped_lock lock(mutex_);
        if (step->key && abandoned_ == step->key) continue;
        current_ = step->key;
        stop_ = stop;
        if (auto changed = std::exchange(changed_data_, std::nullopt)) trainer_.change_data(*std::move(changed));
      }
      auto outcome = step->call(stop.get_token());
      {
        const std::scoped_lock lock(mutex_);
        current_.reset();
        stop_.reset();
      }
      if (steps_.closed() || stop.stop_requested()) continue;
      if (outcome && *outcome) parts_.report(std::move(**outcome));
      if (!outcome && step->key) parts_.report(StepFailed{*step->key, std::move(outcome).error()});
    }
  }

  /// Uploads the masked vector. It is masked while it is written to its file, whose digest is recorded before any byte
  /// is sent.
  Result<void> upload_masked(const ActiveSession& session, std::span<const secagg::MaskTerm> masks,
                             std::stop_token stop) {
    const std::filesystem::path file = parts_.ledger.vector_file(session.key);
    const auto write = [&](const masking::MaskedVector::WordSink& sink) -> Result<void> {
      if (session.order.kind != job::SumKind::kTrain) return sink(words_);
      const SiteTrainer::Update* update = trainer_.update_of(session.order);
      if (update == nullptr) return fail(ErrorCode::kInternal, "there is no update to send");
      return stream_train_contribution(session.order, update->manifest, update->examples, update->result,
                                       trainer_.delta(), sink, parts_.trainer.threads);
    };
    CONSILIUM_ASSIGN(
        const masking::MaskedVector vector,
        masking::MaskedVector::create(file, session.order.layout.word_count(), masks, write, parts_.trainer.threads));
    CONSILIUM_TRY(parts_.ledger.keep_vector(session.key, vector.digest()));
    CONSILIUM_TRY(parts_.link.upload(session.key, vector.words(), stop, vector.digest()));
    std::error_code ignored;
    std::filesystem::remove(file, ignored);  // the coordinator has it and will not request it again
    return {};
  }

  /// Returns whether there is a vector to upload.
  Result<bool> train(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
    const job::RoundOrder& order = session.order;
    const auto is_dropped = [&order](const SiteTrainer::Update& update) {
      return update.result.partial && !order.keep_partial;
    };
    // If the masks of an attempt failed, the next attempt uses fresh keys and the same update.
    const SiteTrainer::Update* kept = session.masked ? trainer_.update_of(order) : nullptr;
    if (kept != nullptr && !is_dropped(*kept)) return true;
    CONSILIUM_TRY(trainer_.train(session, job, order.seed, stop));
    const SiteTrainer::Update& update = *trainer_.update();
    if (is_dropped(update)) return false;
    if (session.masked) return true;  // encoded when it is sent
    CONSILIUM_ASSIGN(words_, train_contribution(order, update.manifest, update.examples, update.result,
                                                trainer_.delta(), std::move(words_)));
    return true;
  }

  Result<void> evaluate(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
    CONSILIUM_ASSIGN(const std::vector<std::uint64_t> counts, trainer_.evaluate(session, job, stop));
    CONSILIUM_ASSIGN(const auto task, job::task_of(job.spec));
    CONSILIUM_ASSIGN(words_, evaluate_contribution(session.order, *task, counts));
    return {};
  }

  Parts parts_;
  ModelCache models_;
  SiteTrainer trainer_;
  GroupWork group_work_;  ///< mode masked
  std::vector<std::uint32_t>
      words_;  ///< keeps its memory from round to round: faulting in new pages costs more than encoding

  process::EventQueue<StepCall> steps_{kMaxSteps};
  std::mutex mutex_;
  std::optional<job::SessionKey> current_;
  std::optional<job::SessionKey> abandoned_;
  std::optional<std::stop_source> stop_;
  std::optional<SiteData> changed_data_;
  std::thread thread_;
};

SessionWorker::SessionWorker(Parts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
SessionWorker::~SessionWorker() = default;

void SessionWorker::start(std::function<void(const Error&)> failed) {
  impl_->post({std::nullopt, [this, failed = std::move(failed)](std::stop_token) { return impl_->start(failed); }});
}

void SessionWorker::run(Warm effect) {
  impl_->post({std::nullopt,
               [this, effect = std::move(effect)](std::stop_token stop) { return impl_->warm(effect.job, stop); }});
}

void SessionWorker::run(Fetch effect) {
  const job::SessionKey key = effect.session.key;
  impl_->post(
      {key, [this, effect = std::move(effect)](std::stop_token stop) { return impl_->fetch(effect.session, stop); }});
}

void SessionWorker::run(Work effect) {
  const job::SessionKey key = effect.session.key;
  impl_->post({key, [this, effect = std::move(effect)](std::stop_token stop) {
                 return impl_->work(effect.session, effect.job, stop);
               }});
}

void SessionWorker::run(Upload effect, std::vector<secagg::MaskTerm> masks) {
  const job::SessionKey key = effect.session.key;
  // The masks are destroyed with the call, whether it is carried out or dropped.
  const auto kept = std::make_shared<const std::vector<secagg::MaskTerm>>(std::move(masks));
  impl_->post({key, [this, effect = std::move(effect), kept](std::stop_token stop) {
                 return impl_->upload(effect.session, *kept, stop);
               }});
}

void SessionWorker::run(Upload effect, masking::GroupMasks masks) {
  const job::SessionKey key = effect.session.key;
  const auto kept = std::make_shared<masking::GroupMasks>(std::move(masks));
  impl_->post({key, [this, effect = std::move(effect), kept](std::stop_token stop) {
                 return impl_->upload_group(effect, std::move(*kept), stop);
               }});
}

void SessionWorker::run(CheckTotal effect) {
  impl_->post({std::nullopt,
               [this, effect = std::move(effect)](std::stop_token stop) { return impl_->check_total(effect, stop); }});
}

void SessionWorker::run(ForgetJob effect) {
  impl_->post({std::nullopt, [this, job = effect.job](std::stop_token) { return impl_->forget(job); }});
}

void SessionWorker::change_data(SiteData data) { impl_->change_data(std::move(data)); }

void SessionWorker::abandon(const job::SessionKey& key) { impl_->abandon(key); }

}  // namespace consilium::session
