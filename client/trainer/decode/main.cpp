// consilium-decode --socket-fd N: the decoder with which a trainer opens image files
// (docs/formats/decoder_protocol.md).

#include <fcntl.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "client/trainer/decode/worker_parent.h"

int main(int argc, char** argv) {
  using consilium::trainer::Descriptor;
  int socket = -1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view value = argv[i + 1];
    if (std::string_view(argv[i]) == "--socket-fd") std::from_chars(value.data(), value.data() + value.size(), socket);
  }
  const Descriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (socket < 0 || !null) {
    fmt::print(
        stderr,
        "consilium-decode: only a trainer starts this program; to look at images, use consilium-trainer inspect\n");
    return 2;
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const auto served = consilium::decode::serve_worker_requests(Descriptor(socket), null.get());
  if (!served) fmt::print(stderr, "consilium-decode: {}\n", served.error().message);
  return served ? 0 : 1;
}
