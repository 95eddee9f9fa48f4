#pragma once

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

#include "tests/catch.h"

namespace consilium::trainer {

/// Runs `task` in a child under a seccomp filter, which imitates a kernel that lacks something. Returns the text that
/// the task returns, at most 4,096 bytes of it, or "" if the filter can't be installed.
template <std::size_t size, class Task>
std::string in_filtered_child(std::array<sock_filter, size> code, const Task& task) {
  std::array<int, 2> ends{};
  REQUIRE(pipe(ends.data()) == 0);
  const pid_t child = fork();
  if (child == 0) {
    const sock_fprog program{code.size(), code.data()};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) _exit(1);
    const std::string said = task();
    _exit(write(ends[1], said.data(), said.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string said(4096, '\0');
  const ssize_t count = read(ends[0], said.data(), said.size());
  close(ends[0]);
  waitpid(child, nullptr, 0);
  said.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return said;
}

}  // namespace consilium::trainer
