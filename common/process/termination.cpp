#include "common/process/termination.h"

#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <utility>

namespace consilium::process {
namespace {

sigset_t termination_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

class Termination::Impl {
 public:
  Impl() {
    const sigset_t signals = termination_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    // If a peer disconnects, the write should fail instead of ending the process.
    signal(SIGPIPE, SIG_IGN);
  }

  ~Impl() {
    if (!waiter_.joinable()) return;
    ending_ = true;
    pthread_kill(waiter_.native_handle(), SIGTERM);
    waiter_.join();
  }

  void wait_for_signal(std::function<void()> stop, std::function<void()> reload) {
    waiter_ = std::thread([this, stop = std::move(stop), reload = std::move(reload)] {
      const sigset_t signals = termination_signals();
      int signal_number = 0;
      bool told = false;
      while (true) {
        sigwait(&signals, &signal_number);
        if (ending_) return;
        if (signal_number == SIGHUP && reload) {
          reload();
          continue;
        }
        if (told) std::_Exit(128 + signal_number);
        stop();
        told = true;
      }
    });
  }

 private:
  std::atomic<bool> ending_ = false;
  std::thread waiter_;
};

Termination::Termination() : impl_(std::make_unique<Impl>()) {}
Termination::~Termination() = default;
void Termination::on_signal(std::function<void()> stop, std::function<void()> reload) {
  impl_->wait_for_signal(std::move(stop), std::move(reload));
}

}  // namespace consilium::process
