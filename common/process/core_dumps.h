#pragma once

namespace consilium::process {

/// Permanently forbids core dumps of this process, so that its keys can't be written to a disk. Sets RLIMIT_CORE to 0
/// and makes the process not dumpable (prctl(2)), which also keeps other processes of the same user from tracing it or
/// reading its memory. Call it first in main. Does nothing in a build with CONSILIUM_RECORD_SECRETS, whose tests
/// inspect a dump.
void forbid_core_dumps();

}  // namespace consilium::process
