#pragma once

namespace consilium::trainer {

/// Takes note of SIGINT from now on, in place of ending at once; a second one ends the program.
void watch_interrupt();
/// Whether it came.
[[nodiscard]] bool is_interrupted();

}  // namespace consilium::trainer
