#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "client/trainer/protocol/channel.h"
#include "common/error/error.h"

namespace consilium::trainer {

/// Everything that a confined child needs, prepared before the fork. Between fork and exec, the child makes only
/// async-signal-safe calls.
struct LaunchPlan {
  std::string program;                   ///< absolute path
  std::vector<std::string> arguments;    ///< argv, starting with the program's name
  std::vector<std::string> environment;  ///< "NAME=value"; nothing else is inherited
  Descriptor socket;                     ///< becomes kSocketDescriptor
  Descriptor log;                        ///< becomes standard output and error
  Descriptor decoder;                    ///< becomes kDecoderDescriptor: the connection to the decoder; may be empty
  Descriptor scratch;                    ///< becomes kScratchDescriptor: a file for prepared images; may be empty
  std::uint64_t scratch_bytes = 0;       ///< maximum size of any file that the child writes, if there is a scratch file
  Descriptor ruleset;                    ///< the Landlock ruleset; empty: no Landlock confinement
  Descriptor memory_group;               ///< cgroup.procs of the cgroup to enter; may be empty
  bool gpu = true;                       ///< allow the system calls that CUDA needs
  bool decoder_filter = false;           ///< allow the system calls that the decoder needs, instead of CUDA's
  bool require_confinement = true;       ///< false: continue even if the kernel refuses part of the confinement
};

/// The descriptor numbers of the child's socket, its connection to the decoder and its scratch file.
inline constexpr int kSocketDescriptor = 3;
inline constexpr int kDecoderDescriptor = 4;
inline constexpr int kScratchDescriptor = 5;

/// Forks and executes the plan. The child dies with the calling *thread* (PR_SET_PDEATHSIG), leads its own session, has
/// no capabilities and can gain none, sees only an empty network namespace, and has no descriptors except 0, 1, 2 and
/// those named above. Fails with kFailedPrecondition naming the part of the confinement that the kernel refused, and
/// with kNotFound or kPermissionDenied ("trainer.command: cannot run ...") if the program can't be executed.
Result<pid_t> launch(const LaunchPlan& plan);

}  // namespace consilium::trainer
