#include "client/trainer/command_line.h"

int main(int argc, char** argv) { return consilium::trainer::run_command_line(argc, argv); }
