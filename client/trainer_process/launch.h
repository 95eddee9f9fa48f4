#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Everything a confined child needs, made before the fork. Between fork and exec only async-signal-safe calls are
/// made.
struct LaunchPlan {
  std::string program;                   ///< absolute path
  std::vector<std::string> arguments;    ///< argv, the program's name first
  std::vector<std::string> environment;  ///< "NAME=value"; nothing else is inherited
  Descriptor socket;                     ///< becomes kSocketDescriptor
  Descriptor log;                        ///< becomes standard output and error
  Descriptor decoder;                    ///< becomes kDecoderDescriptor: the way to the decoder, or none
  Descriptor scratch;                    ///< becomes kScratchDescriptor: a file for prepared images, or none
  std::uint64_t scratch_bytes = 0;       ///< no file may become larger, where there is a scratch file
  Descriptor ruleset;                    ///< Landlock's; none: not confined
  Descriptor memory_group;               ///< cgroup.procs of a cgroup to enter, or none
  bool gpu = true;                       ///< the system calls that CUDA needs are left
  bool decoder_filter = false;           ///< those that the decoder needs are left, instead of CUDA's
  bool require_confinement = true;       ///< false: go on where the kernel refuses a part of it
};

/// The numbers under which the child finds its socket, the way to its decoder and its scratch file.
inline constexpr int kSocketDescriptor = 3;
inline constexpr int kDecoderDescriptor = 4;
inline constexpr int kScratchDescriptor = 5;

/// Forks and executes the plan. The child dies with the calling *thread* (PR_SET_PDEATHSIG), leads a session of its
/// own, has no capabilities and gains none, no network but an empty namespace, no descriptors but 0, 1, 2 and those
/// named above. Fails with kFailedPrecondition naming what of the confinement the kernel refused,
/// kNotFound or kPermissionDenied
/// ("trainer.command: cannot run ...") where the program can't be executed.
Result<pid_t> launch(const LaunchPlan& plan);

}  // namespace consilium::trainer
