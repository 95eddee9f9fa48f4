#pragma once

namespace consilium::trainer {

/// Parses the command line, then serves the host on its socket or runs one of the stand-alone commands. Errors go to
/// standard error as "consilium-trainer: ...".
/// @return 0 if it succeeded, 1 if it failed, 2 on wrong usage or input, 130 if it was interrupted
int run_command_line(int argc, char** argv);

}  // namespace consilium::trainer
