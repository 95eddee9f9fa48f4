// The decoder that the daemon starts beside our trainer: its filter, and its function within its confinement.

#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>

#include "client/trainer/decode/process_decoder.h"
#include "client/trainer_process/launch.h"
#include "client/trainer_process/launch_filter.h"
#include "client/trainer_process/observed_confinement.h"
#include "client/trainer_process/process_usage.h"
#include "tests/unit/client/trainer_process/filtered_child.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

namespace fs = std::filesystem;

/// Creates a folder with our trainer's name for the echo trainer, and the decoder beside it.
class InstalledTrainer {
 public:
  InstalledTrainer() {
    fs::copy(kEchoTrainer, folder_.path() / "consilium-trainer");
    fs::copy(CONSILIUM_BIN_DIR "/consilium-decode", folder_.path() / "consilium-decode");
  }
  [[nodiscard]] TrainerConfig config() const {
    TrainerConfig config;
    config.command = {(folder_.path() / "consilium-trainer").string()};
    return config;
  }

 private:
  TemporaryFolder folder_;
};

std::string name_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

/// Returns this process's child that is the decoder, or -1.
pid_t find_decoder() {
  for (const pid_t process : processes_of(getpid())) {
    if (name_of(process) == "consilium-decod") return process;  // the kernel keeps 15 bytes of a name
  }
  return -1;
}

/// Takes the trainer's end of the decoder's socket, and uses it as the trainer would.
Descriptor decoder_socket_of(pid_t trainer) {
  const Descriptor process(static_cast<int>(syscall(SYS_pidfd_open, trainer, 0)));
  return Descriptor(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), kDecoderDescriptor, 0)));
}

/// Runs a task under the decoder's filter, without a listener, and returns its output.
template <class Task>
std::string under_filter(const Task& task) {
  const std::array<sock_filter, 1> nothing{sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
  return in_filtered_child(nothing, [&] {
    std::vector<sock_filter> code = decoder_launch_filter();
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return std::string("no filter");
    return task();
  });
}

std::string refusal(long result) { return result == -1 ? std::to_string(errno) + " " : "passed "; }

}  // namespace

TEST_CASE("a trainer's decoder may fork, and nothing that it forks leaves its session") {
  const std::string said = under_filter([] {
    std::array<int, 2> ends{};
    if (pipe(ends.data()) != 0) return std::string("no pipe");
    const pid_t child = fork();
    if (child < 0) return std::string("can't fork");
    if (child == 0) {
      std::string tried = refusal(syscall(SYS_setsid));
      tried += refusal(syscall(SYS_setpgid, 0, 0));
      _exit(write(ends[1], tried.data(), tried.size()) < 0 ? 1 : 0);
    }
    waitpid(child, nullptr, 0);
    std::string tried(64, '\0');
    tried.resize(static_cast<std::size_t>(std::max<ssize_t>(read(ends[0], tried.data(), tried.size()), 0)));
    return tried;
  });
  CHECK(said == "1 1 ");  // EPERM, twice
}

TEST_CASE("a trainer's decoder is refused the system calls that decoding has no use for") {
  CHECK(under_filter([] { return refusal(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0)); }) == "1 ");
  CHECK(under_filter([] { return refusal(syscall(SYS_memfd_create, "a", 0)); }) == "1 ");
  CHECK(under_filter(
            [] { return refusal(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, nullptr, nullptr, nullptr, 0)); }) == "1 ");
  CHECK(under_filter([] { return refusal(syscall(SYS_ptrace, -1, 0, 0, 0)); }) == "1 ");
  // Only the daemon, as the filter's listener, can allow one exec.
  CHECK(under_filter([] { return refusal(execl("/bin/true", "true", nullptr)); }) == std::to_string(ENOSYS) + " ");
}

TEST_CASE("our trainer gets a decoder, confined as it is, which ends with it") {
  const InstalledTrainer installed;
  pid_t decoder = -1;
  {
    TrainerProcess trainer(installed.config());
    REQUIRE(trainer.start().has_value());
    decoder = find_decoder();
    REQUIRE(decoder > 0);
    CHECK(check_confined(decoder).has_value());
  }
  CHECK(find_decoder() == -1);
}

TEST_CASE("within its confinement the decoder decodes what the trainer opens") {
  const InstalledTrainer installed;
  TrainerProcess trainer(installed.config());
  REQUIRE(trainer.start().has_value());
  decode::ProcessDecoder decoder(decoder_socket_of(trainer.pid()), {});
  for (const char* name : {"dicom_jpeg2000.dcm", "nifti1.nii.gz", "colour.jpg"}) {
    const auto image = decoder.decode(fs::path(CONSILIUM_SOURCE_DIR "/tests/fixtures/images") / name, {});
    CHECK((image ? "read" : image.error().message) == std::string("read"));
  }
}

TEST_CASE("another trainer gets no decoder, and no descriptor of one") {
  TrainerProcess trainer(echo({}));
  REQUIRE(trainer.start().has_value());
  CHECK(find_decoder() == -1);
  const auto own =
      decoder_socket_of(trainer.pid());  // the number can also be a descriptor that the trainer has opened itself
  CHECK((!own || !fs::read_symlink("/proc/self/fd/" + std::to_string(own.get())).string().starts_with("socket:")));
}
