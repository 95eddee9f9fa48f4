#pragma once

namespace consilium::trainer {

/// Makes SIGINT set a flag from now on instead of ending the program at once. A second SIGINT ends the program.
void watch_interrupt();
/// Returns true once SIGINT has come.
[[nodiscard]] bool is_interrupted();

}  // namespace consilium::trainer
