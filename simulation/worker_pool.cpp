#include "simulation/worker_pool.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <list>
#include <map>
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
      by_site_.clear();
      for (Running& running : running_) running.stop.request_stop();
    }
    ready_.notify_all();
    for (std::thread& thread : threads_) thread.join();
  }

  void post(Task task) {
    {
      const std::scoped_lock lock(mutex_);
      const auto place = queue_.insert(queue_.end(), std::move(task));
      by_site_[place->site.name].push_back(place);
    }
    ready_.notify_one();
  }

  void cancel(const std::string& site, const job::SessionKey& key) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = by_site_.find(site); found != by_site_.end()) {
      for (const Place place : std::vector<Place>(found->second.begin(), found->second.end())) {
        if (place->key == key) remove(place);
      }
    }
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

  using Queue = std::list<Task>;
  using Place = Queue::iterator;

  /// Removes a task from the queue, whatever its position among the tasks of its site.
  Task remove(Place place) {
    const auto found = by_site_.find(place->site.name);
    std::erase(found->second, place);
    if (found->second.empty()) by_site_.erase(found);
    Task task = std::move(*place);
    queue_.erase(place);
    return task;
  }

  /// Returns the oldest task of the site whose data this worker's trainer holds; else the oldest of a site whose data
  /// no trainer holds; else the oldest of all.
  Place choose(std::size_t index) {
    if (held_[index]) {
      if (const auto found = by_site_.find(*held_[index]); found != by_site_.end()) return found->second.front();
    }
    const auto nobody_holds = [this](const Task& task) {
      return std::ranges::find(held_, std::optional(task.site.name)) == held_.end();
    };
    const Place chosen = std::ranges::find_if(queue_, nobody_holds);
    return chosen == queue_.end() ? queue_.begin() : chosen;
  }

  /// Waits for a task.
  /// @param holds_data  whether the trainer still has the data of its last task's site
  std::optional<Task> take(std::size_t index, bool holds_data) {
    std::unique_lock lock(mutex_);
    ready_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (closed_) return std::nullopt;
    held_.resize(running_.size());
    if (!holds_data) held_[index].reset();
    Task task = remove(choose(index));
    held_[index] = task.site.name;
    running_[index] = {true, task.site.name, task.key, std::stop_source()};
    return task;
  }

  void work(std::size_t index, SiteWorker worker) {
    bool started = false;
    while (const std::optional<Task> task = take(index, worker.loaded_data().has_value())) {
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
  Queue queue_;
  std::map<std::string, std::deque<Place>> by_site_;
  std::vector<Running> running_;                  ///< by worker
  std::vector<std::optional<std::string>> held_;  ///< the site whose data each worker's trainer holds
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
