#pragma once

namespace consilium::trainer {

/// Parses the command line, serves the host on its socket or runs one of the stand-alone commands; errors go to
/// standard error as "consilium-trainer: ...".
/// @return 0 done, 1 failed, 2 wrong usage or input, 130 interrupted
int run_command_line(int argc, char** argv);

}  // namespace consilium::trainer
