#pragma once

#include <time.h>

#include <algorithm>
#include <chrono>
#include <limits>

namespace consilium::benchmarks {

/// The fastest of several rounds.
struct Cost {
  double wall = std::numeric_limits<double>::infinity();  ///< seconds
  double cpu = std::numeric_limits<double>::infinity();   ///< seconds of all threads
};

inline double cpu_now() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Runs a task, and keeps the smaller of its cost and the fastest so far.
template <class Task>
void measure_once(Cost& fastest, const Task& task) {
  const double cpu = cpu_now();
  const auto begin = std::chrono::steady_clock::now();
  task();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  fastest = {std::min(fastest.wall, wall.count()), std::min(fastest.cpu, cpu_now() - cpu)};
}

}  // namespace consilium::benchmarks
