#pragma once

namespace consilium::process {

/// Forbids core dumps of this process for good, so that its keys cannot land on a disk: RLIMIT_CORE is 0, and the
/// process is not dumpable (prctl(2)), which also keeps other processes of its user from tracing it or reading its
/// memory. Call it first in main. Does nothing in a build with CONSILIUM_RECORD_SECRETS, whose tests look into a dump.
void forbid_core_dumps();

}  // namespace consilium::process
