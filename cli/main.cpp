#include "cli/command.h"

int main(int argc, char** argv) { return consilium::cli::run(argc, argv); }
