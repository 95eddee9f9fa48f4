#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace consilium::trainer {

/// Lets the parent trace the calling process, and stops until it does.
void wait_for_tracer();

/// Traces a child that waits in wait_for_tracer(), with its threads, to its end.
/// @param status  receives waitpid(2)'s status of the child's end
/// @return the system calls that the kernel refused (EPERM, EACCES, ENOSYS), each once with its number of refusals: "3
///         x openat(/tmp/x) = EACCES"
std::vector<std::string> refused_calls(pid_t child, int& status);

}  // namespace consilium::trainer
