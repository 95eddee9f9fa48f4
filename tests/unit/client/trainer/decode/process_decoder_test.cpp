#include "client/trainer/decode/process_decoder.h"

#include <fcntl.h>
#include <signal.h>
#include <spdlog/fmt/fmt.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <limits>
#include <thread>
#include <utility>

#include "client/trainer/decode/decode_worker.h"
#include "tests/unit/client/trainer/decode/expected_images.h"
#include "tests/unit/client/trainer_process/filtered_child.h"
#include "tests/unit/client/trainer_process/fixtures.h"

using namespace consilium;
using namespace consilium::decode;
using trainer::Descriptor;
using trainer::Record;
using trainer::RecordChannel;
using trainer::TemporaryFolder;

namespace {

const std::filesystem::path kDecoder = CONSILIUM_BIN_DIR "/consilium-decode";

std::unique_ptr<ProcessDecoder> start(DecoderLimits limits = {}) {
  return ProcessDecoder::start(kDecoder, limits).value();
}

/// Returns the children of a process.
std::vector<pid_t> children_of(pid_t process) {
  std::ifstream file(fmt::format("/proc/{0}/task/{0}/children", process));
  return {std::istream_iterator<pid_t>(file), {}};
}

/// Returns the workers of the decoders that this process has started.
std::vector<pid_t> workers() {
  std::vector<pid_t> found;
  for (const pid_t decoder : children_of(getpid())) {
    for (const pid_t worker : children_of(decoder)) found.push_back(worker);
  }
  return found;
}

void append(std::string& file, std::initializer_list<int> bytes) {
  for (const int byte : bytes) file.push_back(static_cast<char>(byte));
}

void append_scan(std::string& file, int coefficient, int high, int low, std::size_t bytes) {
  append(file, {0xff, 0xda, 0, 8, 1, 1, 0, coefficient, coefficient, high << 4 | low});
  file.append(bytes, '\0');
}

/// Returns a progressive JPEG of 8000 x 8000 grey pixels in which each bit of each coefficient has a scan of its own,
/// all of them zero. It has 240 kB, complies with the standard in every byte, and takes 20 s of CPU time to decode.
std::string slow_jpeg() {
  constexpr std::size_t kBlocks = 1'000'000;
  constexpr int kBits = 13;
  std::string file;
  append(file, {0xff, 0xd8, 0xff, 0xdb, 0, 67, 0});
  file.append(64, '\1');                                                                // one quantisation table
  append(file, {0xff, 0xc2, 0, 11, 8, 0x1f, 0x40, 0x1f, 0x40, 1, 1, 0x11, 0});          // progressive, grey
  for (const auto& [table, symbol] : {std::pair(0x00, 0x00), std::pair(0x10, 0xe0)}) {  // each with one code: a 0 bit
    append(file, {0xff, 0xc4, 0, 20, table, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, symbol});
  }
  append_scan(file, 0, 0, 0, kBlocks / 8 + 2);
  // A run of 2^14 zero blocks is the code and 14 bits of their number.
  constexpr std::size_t kEmptyScan = (kBlocks / 16384 + 1) * 15 / 8 + 2;
  for (int coefficient = 1; coefficient < 64; ++coefficient) {
    append_scan(file, coefficient, 0, kBits, kEmptyScan);
    for (int bit = kBits - 1; bit >= 0; --bit) append_scan(file, coefficient, bit + 1, bit, kEmptyScan);
  }
  append(file, {0xff, 0xd9});
  return file;
}

/// Plays the decoder's parent and one worker, on a thread of its own.
class PlayedDecoder {
 public:
  using Worker = std::function<void(RecordChannel&)>;
  explicit PlayedDecoder(Worker worker) {
    std::array<int, 2> ends{};
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    trainers_end_ = Descriptor(ends[0]);
    thread_ = std::jthread([end = ends[1], worker = std::move(worker)] { play(end, worker); });
  }
  std::unique_ptr<ProcessDecoder> decoder() {
    return std::make_unique<ProcessDecoder>(std::move(trainers_end_), DecoderLimits{});
  }

 private:
  static void play(int end, const Worker& worker) {
    RecordChannel channel{Descriptor(end)};
    while (true) {
      const auto record = channel.receive();
      if (!record || !*record) return;
      const auto request = parse_parent_request((*record)->json);
      if (std::holds_alternative<EndWorker>(*request)) {
        (void)channel.send(encode(ParentReply(WorkerEnded{0, SIGSEGV, 0})));
        continue;
      }
      std::array<int, 2> ends{};
      if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) return;
      const Descriptor theirs(ends[0]);
      const std::array descriptors{theirs.get()};
      (void)channel.send(encode(ParentReply(WorkerStarted{0})), descriptors);
      RecordChannel ours{Descriptor(ends[1])};
      if (ours.receive()) worker(ours);
    }
  }

  Descriptor trainers_end_;
  std::jthread thread_;
};

std::string error_of(const Result<data::DecodedImage>& image) { return image ? "read" : image.error().message; }

std::string answer_to(PlayedDecoder::Worker worker, const data::DecodeOptions& options = {}) {
  PlayedDecoder played(std::move(worker));
  return error_of(played.decoder()->decode(kImages / "grey8.png", options));
}

Result<data::DecodedImage> small_image() {
  data::DecodedImage image;
  image.shape = {1, 2, 2};
  image.pixels = std::vector<float>(4);
  return image;
}

}  // namespace

TEST_CASE("files come through the decoder's process as they are") {
  const auto decoder = start();
  const nlohmann::json all = read_expected();
  for (const auto& [name, expected] : all.items()) {
    INFO(name);
    const auto image = decoder->decode(kImages / name, {});
    REQUIRE(error_of(image) == "read");
    CHECK(difference(*image, expected, expected.at("tolerance")) == "");
  }
}

TEST_CASE("a file that can't be read is named, and the next one is read") {
  const TemporaryFolder folder;
  const auto decoder = start();
  const auto broken = folder.write("broken.png", "\x89PNG\r\n\x1a\n and no more");
  const auto image = decoder->decode(broken, {});
  REQUIRE_FALSE(image);
  CHECK(image.error().code == ErrorCode::kInvalidArgument);
  CHECK_THAT(image.error().message, Catch::StartsWith(broken.string() + ": PNG"));
  CHECK(decoder->decode(folder.path() / "none.png", {}).error().code == ErrorCode::kNotFound);
  CHECK_THAT(error_of(decoder->decode(folder.path(), {})), Catch::Contains("not a regular file"));
  CHECK_THAT(error_of(decoder->decode(folder.write("empty.png", ""), {})), Catch::Contains("the file is empty"));
  CHECK(decoder->decode(kImages / "grey8.png", {}));
}

TEST_CASE("a file that takes more CPU time than it may is named, and the next one is read") {
  const TemporaryFolder folder;
  const auto decoder = start({.cpu_seconds = 1});
  const auto slow = folder.write("slow.jpg", slow_jpeg());
  const auto image = decoder->decode(slow, {});
  REQUIRE_FALSE(image);
  CHECK(image.error().code == ErrorCode::kResourceExhausted);
  CHECK(image.error().message == slow.string() + ": decoding the file takes more than 1 s of CPU time");
  CHECK(decoder->decode(kImages / "grey8.png", {}));
}

TEST_CASE("a file that the decoder dies of is named, and the next one is read") {
  const TemporaryFolder folder;
  const auto decoder = start({.cpu_seconds = 600});
  const auto slow = folder.write("slow.jpg", slow_jpeg());
  Result<data::DecodedImage> image;
  std::atomic<bool> done = false;
  std::jthread decoding([&] {
    image = decoder->decode(slow, {});
    done = true;
  });
  // A worker that dies before it has received the file is replaced once, so more than one may have to die.
  while (!done) {
    for (const pid_t worker : workers()) kill(worker, SIGABRT);
  }
  decoding.join();
  REQUIRE_FALSE(image);
  CHECK(image.error().code == ErrorCode::kInvalidArgument);
  CHECK(image.error().message ==
        slow.string() + ": the decoder crashed while it read this file (SIGABRT); the file is damaged or malicious");
  CHECK(decoder->decode(kImages / "grey8.png", {}));
}

TEST_CASE("a file of which DCMTK crashes is named, and the next one is read") {
  // Found by fuzzing: DCMTK 3.6.7 reads beyond the end of the compressed bytes. Later versions can refuse the file
  // instead.
  const std::filesystem::path broken = CONSILIUM_SOURCE_DIR "/tests/fixtures/broken_images/rle_overrun.dcm";
  const auto decoder = start();
  for (int time = 0; time < 3; ++time) {
    const auto image = decoder->decode(broken, {});
    REQUIRE_FALSE(image);
    CHECK(image.error().code == ErrorCode::kInvalidArgument);
    CHECK_THAT(image.error().message, Catch::StartsWith(broken.string() + ": "));
    CHECK(decoder->decode(kImages / "dicom_rle.dcm", {}));
  }
}

TEST_CASE("several threads decode at the same time, in as many processes as are allowed") {
  const auto decoder = start({.workers = 2});
  std::atomic<int> read = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 5; ++k) read += decoder->decode(kImages / "dicom_jpeg2000.dcm", {}) ? 1 : 0;
      });
    }
  }
  CHECK(read == 30);
  CHECK(workers().size() <= 2);
}

TEST_CASE("a worker can't open files, make sockets, fork or run programs") {
  const auto blocked =
      trainer::in_filtered_child(std::array<sock_filter, 1>{sock_filter{BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}}, [] {
        std::vector<sock_filter> code = worker_filter();
        const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return std::string("no filter");
        std::string open_calls;
        const auto is_open = [](long result) { return result != -1 || errno != EPERM; };
        if (is_open(syscall(SYS_openat, AT_FDCWD, "/etc/passwd", O_RDONLY))) open_calls += "openat ";
        if (is_open(syscall(SYS_open, "/etc/passwd", O_RDONLY))) open_calls += "open ";
        if (is_open(syscall(SYS_socket, AF_UNIX, SOCK_STREAM, 0))) open_calls += "socket ";
        if (is_open(syscall(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, nullptr))) open_calls += "socketpair ";
        if (is_open(syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, 0))) open_calls += "clone ";
        if (is_open(syscall(SYS_execve, "/bin/true", nullptr, nullptr))) open_calls += "execve ";
        if (is_open(syscall(SYS_kill, getpid(), 0))) open_calls += "kill ";
        if (is_open(syscall(SYS_memfd_create, "a", 0))) open_calls += "memfd_create ";
        if (is_open(syscall(SYS_mmap, nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)))
          open_calls += "executable memory ";
        return "shut, but: " + open_calls;
      });
  CHECK(blocked == "shut, but: ");
}

TEST_CASE("a worker runs under its own filter, which a process can't take off") {
  const auto decoder = start();
  REQUIRE(decoder->decode(kImages / "grey8.png", {}));
  REQUIRE(workers().size() == 1);
  std::ifstream file(fmt::format("/proc/{}/status", workers().front()));
  const std::string status{std::istreambuf_iterator<char>(file), {}};
  CHECK_THAT(status, Catch::Contains("NoNewPrivs:\t1\n"));
  CHECK_THAT(status, Catch::Contains("Seccomp:\t2\n"));
}

TEST_CASE("a worker that lies about its image is ended, and the file is named") {
  const std::string name = (kImages / "grey8.png").string() + ": ";
  CHECK(answer_to([](RecordChannel& worker) { (void)worker.send("{}"); }) ==
        name + "decoder protocol: a record without a type");
  CHECK_THAT(answer_to([](RecordChannel& worker) { (void)worker.send(encode(small_image())); }),
             Catch::Contains("SIGSEGV"));
  CHECK_THAT(answer_to([](RecordChannel& worker) { (void)worker.send(encode(small_image())); }, {.max_bytes = 8}),
             Catch::Contains("more than the limit of 8 bytes"));
  CHECK_THAT(answer_to([](RecordChannel& worker) {
               const Descriptor own(dup(0));
               const std::array descriptors{own.get()};
               (void)worker.send(encode(small_image()), descriptors);
             }),
             Catch::Contains("descriptors beside an image"));
  CHECK_THAT(answer_to([](RecordChannel& worker) {
               (void)worker.send(encode(small_image()));
               const std::array<float, 4> pixels{0, 1, std::numeric_limits<float>::quiet_NaN(), 2};
               (void)!write(worker.descriptor(), pixels.data(), sizeof pixels);
             }),
             Catch::Contains("NaN or infinite"));
}

TEST_CASE("a decoder that is gone says so for every file") {
  std::array<int, 2> ends{};
  REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  ProcessDecoder decoder(Descriptor(ends[0]), {});
  close(ends[1]);
  CHECK(decoder.decode(kImages / "grey8.png", {}).error().code == ErrorCode::kUnavailable);
  CHECK(ProcessDecoder::start("/nonexistent/consilium-decode", {}).error().code == ErrorCode::kNotFound);
}
