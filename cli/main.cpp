#include "cli/command.h"
#include "common/logging/logging.h"
#include "common/wire/grpc_log.h"
#include "common/wire/tls_credentials.h"

int main(int argc, char** argv) {
  consilium::wire::restrict_to_tls13();  // before gRPC reads its environment
  consilium::wire::route_grpc_log(consilium::wire::GrpcLog::kNowhere);
  // A simulation runs parts of the daemons, whose warnings go to standard error.
  consilium::logging::configure("consilium", {.level = consilium::config::LogLevel::kWarning});
  return consilium::cli::run(argc, argv);
}
