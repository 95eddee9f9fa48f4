#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/data/dataset.h"
#include "client/trainer/data/npz_writer.h"
#include "client/trainer/protocol/channel.h"
#include "client/trainer/protocol/messages.h"
#include "tests/catch.h"

namespace consilium::trainer::testing {

template <class T>
T value_of(Result<T> result) {
  if (!result) {
    FAIL(result.error().message);
  }
  return std::move(*result);
}

/// A folder that the destructor removes.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "trainer-test-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

/// Returns two classes of 1 x 4 x 4 images that differ in brightness.
inline data::Dataset small_dataset(std::size_t train, std::size_t val) {
  const auto split = [](std::size_t count) {
    data::Split made;
    std::vector<std::uint8_t> values;
    for (std::size_t i = 0; i < count; ++i) {
      made.labels.push_back(static_cast<std::uint16_t>(i % 2));
      for (std::size_t p = 0; p < 16; ++p) {
        values.push_back(static_cast<std::uint8_t>(i % 2 * 120 + (i * 7 + p * 13) % 100));
      }
    }
    made.values = std::move(values);
    return made;
  };
  return {.shape = {1, 4, 4}, .classes = 2, .train = split(train), .val = split(val), .test = split(0)};
}

/// Writes each training image of a data set as a .npy file, in folders of its classes below "train".
inline void write_images(const Folder& folder, const data::Dataset& dataset) {
  const auto& pixels = std::get<std::vector<std::uint8_t>>(dataset.train.values);
  for (std::size_t i = 0; i < dataset.train.size(); ++i) {
    const auto file = folder / ("images/train/" + std::to_string(dataset.train.labels[i]) + "/" +
                                std::string(i < 10 ? "0" : "") + std::to_string(i) + ".npy");
    std::filesystem::create_directories(file.parent_path());
    const std::string dictionary = "{'descr': '|u1', 'fortran_order': False, 'shape': (4, 4), }\n";
    std::ofstream stream(file, std::ios::binary);
    stream << std::string("\x93NUMPY\x01\x00", 8) << static_cast<char>(dictionary.size()) << '\0' << dictionary;
    stream.write(reinterpret_cast<const char*>(pixels.data()) + i * 16, 16);
  }
}

/// Memory shared with a trainer.
class Shared {
 public:
  explicit Shared(std::size_t bytes) : fd_(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)), bytes_(bytes) {
    REQUIRE(fd_ >= 0);
    REQUIRE(::ftruncate(fd_, static_cast<off_t>(bytes)) == 0);
    address_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    REQUIRE(address_ != MAP_FAILED);
  }
  explicit Shared(const std::vector<float>& values) : Shared(values.size() * sizeof(float)) {
    std::memcpy(address_, values.data(), bytes_);
  }
  ~Shared() {
    ::munmap(address_, bytes_);
    ::close(fd_);
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  [[nodiscard]] int descriptor() const { return fd_; }
  template <class T>
  [[nodiscard]] std::vector<T> as() const {
    const T* begin = static_cast<const T*>(address_);
    return {begin, begin + bytes_ / sizeof(T)};
  }

 private:
  int fd_;
  std::size_t bytes_;
  void* address_ = nullptr;
};

/// consilium-trainer as a real process, and the host's end of its socket.
class RunningTrainer {
 public:
  RunningTrainer() : channel_(start()) {}
  ~RunningTrainer() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  RunningTrainer(const RunningTrainer&) = delete;
  RunningTrainer& operator=(const RunningTrainer&) = delete;

  void send(const Request& request, const std::vector<int>& descriptors = {}) {
    send_text(encode(request), descriptors);
  }
  void send_text(const std::string& json, const std::vector<int>& descriptors = {}) {
    const auto sent = channel_.send(json, descriptors);
    REQUIRE(sent);
  }
  /// Returns the next reply. Skips progress unless the caller asks for it.
  Reply receive(bool with_progress = false) {
    while (true) {
      const auto record = value_of(channel_.receive(std::chrono::seconds(120)));
      REQUIRE(record);
      Reply reply = value_of(decode_reply(record->json));
      if (with_progress || !std::holds_alternative<Progress>(reply)) {
        return reply;
      }
    }
  }
  template <class T>
  T expect() {
    const Reply reply = receive();
    if (const auto* failed = std::get_if<Failed>(&reply); failed != nullptr && !std::is_same_v<T, Failed>) {
      FAIL(failed->message);
    }
    REQUIRE(std::holds_alternative<T>(reply));
    return std::get<T>(reply);
  }
  /// Closes the socket and returns the exit code (-1 for a signal).
  int close() {
    channel_ = RecordChannel(Descriptor());
    int status = 0;
    ::waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  RecordChannel start() {
    int ends[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    ::fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    const std::string program = std::string(CONSILIUM_BIN_DIR) + "/consilium-trainer";
    const std::string socket = std::to_string(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::execl(program.c_str(), program.c_str(), "--socket-fd", socket.c_str(), "--device", "cpu", "--threads", "1",
              nullptr);
      ::_exit(127);
    }
    ::close(ends[1]);
    return RecordChannel(Descriptor(ends[0]));
  }

  pid_t pid_ = -1;
  RecordChannel channel_;
};

}  // namespace consilium::trainer::testing
