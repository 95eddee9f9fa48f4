#include "simulation/worker_pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "simulation/site_worker.h"

namespace consilium::simulation {

session::LocalTensors local_tensors(const std::filesystem::path& folder, const std::string& site) {
  return session::LocalTensors(folder / site);
}

crypto::Digest local_key(const std::string& job_id) { return crypto::sha256(job_id); }

class WorkerPool::Impl {
 public:
  Impl(unsigned workers, const trainer::TrainerConfig& trainer, const journal::BlobStore& blobs,
       const std::filesystem::path& local, std::function<void(Outcome)> done)
      : done_(std::move(done)), running_(std::max(1U, workers)) {
    for (std::size_t i = 0; i < running_.size(); ++i) {
      threads_.emplace_back([this, i, trainer, &blobs, local] { work(i, SiteWorker(trainer, blobs, local)); });
    }
  }

  ~Impl() {
    {
      const std::scoped_lock lock(mutex_);
      closed_ = true;
      queue_.clear();
      for (Running& running : running_) running.stop.request_stop();
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void post(Task task) {
    {
      const std::scoped_lock lock(mutex_);
      queue_.push_back(std::move(task));
    }
    ready_.notify_one();
  }

  void cancel(const std::string& site, const job::SessionKey& key) {
    const std::scoped_lock lock(mutex_);
    std::erase_if(queue_, [&](const Task& task) { return task.site.name == site && task.key == key; });
    for (Running& running : running_) {
      if (running.busy && running.site == site && running.key == key) running.stop.request_stop();
    }
  }

  std::string trainer_software() const {
    const std::scoped_lock lock(mutex_);
    return software_;
  }

  unsigned workers() const { return static_cast<unsigned>(running_.size()); }

 private:
  struct Running {
    bool busy = false;
    std::string site;
    job::SessionKey key;
    std::stop_source stop;
  };

  /// Takes a task on the data that this worker's trainer holds, else one on data that none holds, else the oldest.
  std::optional<Task> take(std::size_t index, const std::optional<trainer::DataSource>& loaded) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (closed_) return std::nullopt;
    held_.resize(running_.size());
    held_[index] = loaded;
    auto chosen = std::ranges::find_if(queue_, [&](const Task& task) { return loaded && task.site.data == *loaded; });
    if (chosen == queue_.end()) {
      chosen = std::ranges::find_if(queue_, [&](const Task& task) {
        return std::ranges::find(held_, std::optional(task.site.data)) == held_.end();
      });
    }
    if (chosen == queue_.end()) chosen = queue_.begin();
    Task task = std::move(*chosen);
    queue_.erase(chosen);
    held_[index] = task.site.data;
    running_[index] = {true, task.site.name, task.key, std::stop_source()};
    return task;
  }

  void work(std::size_t index, SiteWorker worker) {
    bool started = false;
    while (const std::optional<Task> task = take(index, worker.loaded_data())) {
      const std::stop_token stop = running_[index].stop.get_token();
      if (!started) {
        if (auto software = worker.start()) {
          const std::scoped_lock lock(mutex_);
          software_ = *software;
          started = true;
        }
      }
      Outcome outcome{task->site.name, task->key, worker.perform(*task, stop)};
      {
        const std::scoped_lock lock(mutex_);
        running_[index].busy = false;
        if (closed_) return;
      }
      if (!stop.stop_requested()) done_(std::move(outcome));
    }
  }

  std::function<void(Outcome)> done_;
  mutable std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> queue_;
  std::vector<Running> running_;                          ///< by worker
  std::vector<std::optional<trainer::DataSource>> held_;  ///< data that each worker's trainer holds
  std::string software_;
  bool closed_ = false;
  std::vector<std::thread> threads_;
};

WorkerPool::WorkerPool(unsigned workers, trainer::TrainerConfig trainer, const journal::BlobStore& blobs,
                       std::filesystem::path local, std::function<void(Outcome)> done)
    : impl_(std::make_unique<Impl>(workers, trainer, blobs, local, std::move(done))) {}
WorkerPool::~WorkerPool() = default;
void WorkerPool::post(Task task) { impl_->post(std::move(task)); }
void WorkerPool::cancel(const std::string& site, const job::SessionKey& key) { impl_->cancel(site, key); }
std::string WorkerPool::trainer_software() const { return impl_->trainer_software(); }
unsigned WorkerPool::workers() const { return impl_->workers(); }

}  // namespace consilium::simulation
