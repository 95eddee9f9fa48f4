#include "client/session/session_worker.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "client/masking/masked_vector.h"
#include "client/session/contribution.h"
#include "client/session/total_check.h"
#include "common/job/cohort_rules.h"
#include "common/model/model_parameters.h"
#include "common/process/event_queue.h"

namespace consilium::session {
namespace {

/// Global models kept on disk: the current one and the one before it.
constexpr std::size_t kCachedModels = 2;
/// Steps that may wait for the trainer. A site has one session under way, so honest coordinators leave a few.
constexpr std::size_t kMaxSteps = 64;

Result<void> read_file_into(const std::filesystem::path& file, std::span<std::byte> out) {
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return fail(ErrorCode::kInternal, file.string() + ": " + std::strerror(errno));
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count = ::read(descriptor, out.data() + done, out.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<std::size_t>(count);
  }
  ::close(descriptor);
  if (done != out.size()) {
    return fail(ErrorCode::kDataLoss,
                file.string() + ": expected " + std::to_string(out.size()) + " bytes, found " + std::to_string(done));
  }
  return {};
}

/// Keeps the newest models in the cache folder and removes the others.
void prune(const std::filesystem::path& folder, const std::filesystem::path& keep) {
  std::error_code ignored;
  std::vector<std::pair<std::filesystem::file_time_type, std::filesystem::path>> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    if (entry.path() != keep) files.emplace_back(entry.last_write_time(ignored), entry.path());
  }
  std::ranges::sort(files, std::greater<>());
  for (std::size_t i = kCachedModels - 1; i < files.size(); ++i) std::filesystem::remove(files[i].second, ignored);
}

}  // namespace

class SessionWorker::Impl {
 public:
  explicit Impl(Parts parts) : parts_(std::move(parts)), trainer_(parts_.trainer), thread_([this] { loop(); }) {}

  ~Impl() {
    steps_.close();
    {
      const std::scoped_lock lock(mutex_);
      if (stop_) stop_->request_stop();
    }
    thread_.join();
  }

  /// A step: what it belongs to (none for warming up), and what to do.
  struct StepCall {
    std::optional<job::SessionKey> key;
    std::function<Result<std::optional<SiteEvent>>(std::stop_token)> call;
  };

  /// Queues a step; one that finds no room fails at once, so that a coordinator which opens and closes sessions without
  /// end can't fill the memory.
  void post(StepCall step) {
    const std::optional<job::SessionKey> key = step.key;
    if (steps_.post_if_room(std::move(step)) || !key || steps_.closed()) return;
    parts_.report(StepFailed{*key, {ErrorCode::kResourceExhausted, "too many steps wait for this site's trainer"}});
  }

  void abandon(const job::SessionKey& key) {
    const std::scoped_lock lock(mutex_);
    if (current_ == key && stop_) {
      stop_->request_stop();
    } else {
      abandoned_ = key;  // still queued: dropped when its turn comes
    }
  }

  Result<std::optional<SiteEvent>> start(const std::function<void(const Error&)>& failed) {
    if (const auto hello = trainer_.start(); !hello) failed(hello.error());
    return std::optional<SiteEvent>();
  }

  Result<std::optional<SiteEvent>> warm(const AcceptedJob& job, std::stop_token stop) {
    prepare_ = {};  // a new job begins with the data files as they are now: the trainer reads what has changed
    CONSILIUM_TRY(prepare(job, stop));
    return std::optional<SiteEvent>();
  }

  Result<std::optional<SiteEvent>> fetch(const ActiveSession& session, std::stop_token stop) {
    const std::filesystem::path file = model_file(session);
    CONSILIUM_TRY(parts_.link.fetch(session.order.model, session.model_bytes, file, stop));
    prune(parts_.models, file);
    return std::optional<SiteEvent>(Fetched{session.key});
  }

  Result<std::optional<SiteEvent>> work(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
    words_.clear();
    if (session.whole_group) return work_for_group(session, job, stop);
    CONSILIUM_TRY(prepare(job, stop));
    bool has_vector = true;
    switch (session.order.kind) {
      case job::SumKind::kCensus: {
        CONSILIUM_ASSIGN(words_, census_contribution(session.order, prepared_));
        break;
      }
      case job::SumKind::kTrain: {
        CONSILIUM_ASSIGN(has_vector, train(session, stop));
        break;
      }
      case job::SumKind::kEvaluate:
        CONSILIUM_TRY(evaluate(session, job, stop));
        break;
    }
    return std::optional<SiteEvent>(Worked{session.key, has_vector});
  }

  /// Mode masked: the attempt's masks hide the sealed vector of its sum on the way out.
  Result<std::optional<SiteEvent>> upload_group(const Upload& upload, masking::GroupMasks masks, std::stop_token stop) {
    const ActiveSession& session = upload.session;
    const job::JobSpec& spec = upload.job.spec;
    masking::Release release;
    release.population = spec.population->name;
    release.job_id = session.key.job_id;
    release.researcher = upload.job.researcher;
    release.group = job::count_groups(spec).at(session.order.group);
    release.at = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
    masking::GroupVectors& vectors = parts_.groups.vectors();
    CONSILIUM_ASSIGN(const masking::MaskedVector vector,
                     vectors.mask(session.order, std::move(masks), std::move(release), parts_.trainer.threads));
    const auto sent = parts_.link.upload(session.key, vector.words(), stop, vector.digest());
    vectors.forget_masked(session.order);  // another attempt has masks of its own
    CONSILIUM_TRY(sent);
    return std::optional<SiteEvent>(Uploaded{session.key});
  }

  Result<std::optional<SiteEvent>> check_total(const CheckTotal& effect, const std::stop_token& stop) {
    TotalCheck check({parts_.groups.trust(), parts_.groups.ledger(), parts_.groups.keys(), parts_.models,
                      [&](const crypto::Digest& digest, std::uint64_t bytes, const std::filesystem::path& file) {
                        return parts_.link.fetch(digest, bytes, file, stop);
                      }});
    auto signed_commit = check.endorse(effect.total, effect.job.spec, effect.job.digest);
    if (!signed_commit)
      return std::optional<SiteEvent>(TotalRefused{effect.total.key, effect.job.digest, signed_commit.error()});
    return std::optional<SiteEvent>(Endorsed{effect.total.key, *std::move(signed_commit)});
  }

  Result<std::optional<SiteEvent>> upload(const ActiveSession& session, std::span<const secagg::MaskTerm> masks,
                                          std::stop_token stop) {
    if (session.masked) {
      CONSILIUM_TRY(upload_masked(session, masks, stop));
    } else {
      CONSILIUM_TRY(parts_.link.upload(session.key, words_, stop));
    }
    words_.clear();
    return std::optional<SiteEvent>(Uploaded{session.key});
  }

 private:
  /// Mode masked: makes and seals this site's vector of the sum, unless an earlier attempt has.
  Result<std::optional<SiteEvent>> work_for_group(const ActiveSession& session, const AcceptedJob& job,
                                                  std::stop_token stop) {
    masking::GroupVectors& vectors = parts_.groups.vectors();
    const job::RoundOrder& order = session.order;
    CONSILIUM_ASSIGN(const bool there, vectors.has(order));
    if (there) return std::optional<SiteEvent>(Worked{session.key, true});
    CONSILIUM_TRY(prepare(job, stop));
    if (prepared_.train_examples > job.spec.population->examples) {
      return std::optional<SiteEvent>(AboveBound{
          session.key, "this site has " + std::to_string(prepared_.train_examples) +
                           " training examples, and the bound of '" + job.spec.population->name + "' is " +
                           std::to_string(job.spec.population->examples) +
                           ": ask whoever runs the authority for a roster with a higher bound"});  // check: group-bound
    }
    auto sealed = seal(session, job, stop);
    if (!sealed && sealed.error().code == ErrorCode::kInvalidArgument) {
      spdlog::error("{}: this site's result can't be used: {}", job::to_string(session.key), sealed.error().message);
      CONSILIUM_ASSIGN(const crypto::SecretBytes key, parts_.groups.secret().unusable_key(order));
      CONSILIUM_ASSIGN(std::vector<std::uint32_t> words, unusable_contribution(order, key));
      CONSILIUM_TRY(parts_.groups.ledger().end_after(masking::sum_of(order), "its result was unusable"));
      sealed = vectors.seal(order, [&](const masking::WordSink& sink) { return sink(words); });
    }
    CONSILIUM_TRY(sealed);
    return std::optional<SiteEvent>(Worked{session.key, true});
  }

  Result<void> seal(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
    const job::RoundOrder& order = session.order;
    masking::GroupVectors& vectors = parts_.groups.vectors();
    switch (order.kind) {
      case job::SumKind::kCensus: {
        CONSILIUM_ASSIGN(words_, census_contribution(order, prepared_));
        break;
      }
      case job::SumKind::kTrain: {
        CONSILIUM_ASSIGN(const std::uint64_t seed, parts_.groups.secret().training_seed(order, job.spec.data.dataset));
        CONSILIUM_ASSIGN(const trainer::Trained trained, run_training(session, seed, stop));
        return vectors.seal(order, [&](const masking::WordSink& sink) {
          return stream_train_contribution(order, *manifest_, prepared_.train_examples, trained, delta_->floats(), sink,
                                           parts_.trainer.threads);
        });
      }
      case job::SumKind::kEvaluate:
        CONSILIUM_TRY(evaluate(session, job, stop));
        break;
    }
    return vectors.seal(order, [&](const masking::WordSink& sink) { return sink(words_); });
  }

  void loop() {
    while (auto step = steps_.take()) {
      std::stop_source stop;
      {
        const std::scoped_lock lock(mutex_);
        if (step->key && abandoned_ == step->key) continue;
        current_ = step->key;
        stop_ = stop;
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

  [[nodiscard]] std::filesystem::path model_file(const ActiveSession& session) const {
    return parts_.models / crypto::to_hex(session.order.model);
  }

  /// Gives the trainer the job's model and data; costs nothing where it has them.
  Result<void> prepare(const AcceptedJob& job, std::stop_token stop) {
    const auto data = parts_.datasets.find(job.spec.data.dataset);
    if (data == parts_.datasets.end()) {
      return fail(ErrorCode::kNotFound, "no data set '" + job.spec.data.dataset + "' (client.yaml: datasets)");
    }
    if (!manifest_ || manifest_model_ != job.spec.model) {
      CONSILIUM_ASSIGN(ParameterManifest manifest, model::build_manifest(job.spec.model));
      manifest_ = std::move(manifest);
      manifest_model_ = job.spec.model;
    }
    trainer::Prepare request{job.spec.model, data->second, job.spec.data.normalize, manifest_->parameter_count()};
    if (request == prepare_) return {};
    prepare_ = {};
    CONSILIUM_ASSIGN(prepared_, trainer_.prepare(request, stop));
    prepare_ = std::move(request);
    return {};
  }

  /// Lays the session's global model out in shared memory, unless it lies there already.
  Result<void> load_model(const ActiveSession& session) {
    if (global_ && loaded_ == session.order.model) return {};
    loaded_.reset();
    if (!global_ || global_->bytes().size() != session.model_bytes) {
      global_.reset();
      delta_.reset();
      trained_.reset();
      CONSILIUM_ASSIGN(trainer::SharedVector created, trainer::SharedVector::create(session.model_bytes));
      global_.emplace(std::move(created));
    }
    CONSILIUM_TRY(read_file_into(model_file(session), global_->bytes()));
    loaded_ = session.order.model;
    return {};
  }

  /// The vector is masked on its way into its file, whose digest is recorded before a byte of it leaves.
  Result<void> upload_masked(const ActiveSession& session, std::span<const secagg::MaskTerm> masks,
                             std::stop_token stop) {
    const std::filesystem::path file = parts_.ledger.vector_file(session.key);
    const auto write = [&](const masking::MaskedVector::WordSink& sink) -> Result<void> {
      if (session.order.kind != job::SumKind::kTrain) return sink(words_);
      if (!trained_) return fail(ErrorCode::kInternal, "there is no update to send");
      return stream_train_contribution(session.order, trained_->manifest, trained_->examples, trained_->result,
                                       delta_->floats(), sink, parts_.trainer.threads);
    };
    CONSILIUM_ASSIGN(
        const masking::MaskedVector vector,
        masking::MaskedVector::create(file, session.order.layout.word_count(), masks, write, parts_.trainer.threads));
    CONSILIUM_TRY(parts_.ledger.keep_vector(session.key, vector.digest()));
    CONSILIUM_TRY(parts_.link.upload(session.key, vector.words(), stop, vector.digest()));
    std::error_code ignored;
    std::filesystem::remove(file, ignored);  // it is in the sum: nobody will ask for it again
    return {};
  }

  /// The order without the number of the attempt: what the trainer is told is the same in all attempts at a round.
  static job::RoundOrder any_attempt(job::RoundOrder order) {
    order.attempt = 0;
    return order;
  }

  /// Trains from the session's global model; the delta then lies in delta_.
  Result<trainer::Trained> run_training(const ActiveSession& session, std::uint64_t seed, std::stop_token stop) {
    trained_.reset();
    CONSILIUM_TRY(load_model(session));
    if (!delta_) {
      CONSILIUM_ASSIGN(trainer::SharedVector created, trainer::SharedVector::create(session.model_bytes));
      delta_.emplace(std::move(created));
    }
    const job::RoundOrder& order = session.order;
    const trainer::Train request{parts_.site,        order.round,        seed,
                                 order.local_epochs, order.batch_size,   order.optimizer,
                                 order.proximal_mu,  order.time_limit_ms};
    return trainer_.train(
        request, *global_, *delta_, [](const trainer::Progress&) {}, stop);
  }

  /// Returns whether there is a vector to upload.
  Result<bool> train(const ActiveSession& session, std::stop_token stop) {
    // An attempt whose masks failed is made again with fresh keys and the same update.
    if (session.masked && trained_ && trained_->order == any_attempt(session.order)) return true;
    const job::RoundOrder& order = session.order;
    CONSILIUM_ASSIGN(const trainer::Trained trained, run_training(session, order.seed, stop));
    if (trained.partial && !order.keep_partial) return false;
    if (session.masked) {
      trained_ = Kept{any_attempt(order), trained, prepared_.train_examples, *manifest_};
      return true;
    }
    CONSILIUM_ASSIGN(words_, train_contribution(order, *manifest_, prepared_.train_examples, trained, delta_->floats(),
                                                std::move(words_)));
    return true;
  }

  Result<void> evaluate(const ActiveSession& session, const AcceptedJob& job, std::stop_token stop) {
    CONSILIUM_TRY(load_model(session));
    const auto classes = static_cast<std::uint64_t>(job.spec.model.classes);
    const std::size_t bytes = trainer::evaluation_count_elements(classes) * sizeof(std::uint64_t);
    CONSILIUM_ASSIGN(trainer::SharedVector counts, trainer::SharedVector::create(bytes));
    trainer::Evaluate request;
    request.split = session.order.split;
    CONSILIUM_TRY(trainer_.evaluate(request, *global_, counts, stop));
    CONSILIUM_ASSIGN(words_, evaluate_contribution(session.order, counts.counts()));
    return {};
  }

  Parts parts_;
  trainer::TrainerProcess trainer_;
  trainer::Prepare prepare_;
  trainer::Prepared prepared_;
  std::optional<ParameterManifest> manifest_;
  model::ModelSpec manifest_model_;
  std::optional<trainer::SharedVector> global_;
  std::optional<crypto::Digest> loaded_;  ///< the model that lies in global_
  std::optional<trainer::SharedVector> delta_;
  struct Kept {
    job::RoundOrder order;  ///< without its attempt
    trainer::Trained result;
    std::uint64_t examples = 0;  ///< of its job's data: another job may be prepared before the update is sent
    ParameterManifest manifest;
  };
  std::optional<Kept> trained_;  ///< a masked job's last update, whose delta lies in delta_
  std::vector<std::uint32_t>
      words_;  ///< keeps its memory from round to round: touching it anew costs more than encoding

  process::EventQueue<StepCall> steps_{kMaxSteps};
  std::mutex mutex_;
  std::optional<job::SessionKey> current_;
  std::optional<job::SessionKey> abandoned_;
  std::optional<std::stop_source> stop_;
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
  // The masks go with the call, whether it is carried out or dropped.
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

void SessionWorker::abandon(const job::SessionKey& key) { impl_->abandon(key); }

}  // namespace consilium::session
