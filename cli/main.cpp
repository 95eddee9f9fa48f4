#include "cli/command.h"
#include "common/wire/tls_credentials.h"

int main(int argc, char** argv) {
  consilium::wire::restrict_to_tls13();  // before gRPC reads its environment
  return consilium::cli::run(argc, argv);
}
