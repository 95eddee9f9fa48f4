// consilium-echo-trainer [--add X] [--sizes S] [--examples N]: a trainer that trains nothing. Its local model is the
// global one plus X (1 + (i mod S) / S) in coordinate i, so the delta is X everywhere if S is 1. It reports N examples,
// all of class 0. Masked updates need more than a few sizes.

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "client/trainer/protocol/channel.h"

using namespace consilium;
using namespace consilium::trainer;

namespace {

struct Options {
  int socket = -1;
  float add = 0.0F;
  std::size_t sizes = 1;
  std::uint64_t examples = 1;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--socket-fd") options.socket = std::atoi(value);
    if (name == "--add") options.add = std::strtof(value, nullptr);
    if (name == "--sizes") options.sizes = std::max<std::size_t>(1, std::strtoull(value, nullptr, 10));
    if (name == "--examples") options.examples = std::strtoull(value, nullptr, 10);
  }
  return options;
}

/// Fills the shared vector behind a descriptor with these values, repeatedly. Returns false if it can't be mapped.
template <class T>
bool fill_shared(const Descriptor& memory, const std::vector<T>& values) {
  struct stat status {};
  if (fstat(memory.get(), &status) != 0 || status.st_size <= 0) return false;
  const auto size = static_cast<std::size_t>(status.st_size);
  void* data = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory.get(), 0);
  if (data == MAP_FAILED) return false;
  const std::span<T> shared(static_cast<T*>(data), size / sizeof(T));
  for (std::size_t begin = 0; begin < shared.size(); begin += values.size())
    std::copy_n(values.begin(), std::min(values.size(), shared.size() - begin), shared.subspan(begin).begin());
  munmap(data, size);
  return true;
}

/// A run of changes, in whole pages if there is only one size, because benchmarks measure the trainer by how fast it
/// fills memory.
std::vector<float> changes(const Options& options) {
  std::vector<float> row(options.sizes * (std::size_t{4096} / options.sizes + 1));
  for (std::size_t i = 0; i < row.size(); ++i)
    row[i] = options.add * (1.0F + static_cast<float>(i % options.sizes) / static_cast<float>(options.sizes));
  return row;
}

Prepared prepared_for(const Prepare& request, std::uint64_t examples) {
  Prepared reply{examples, 0, 0, {}};
  reply.class_examples.assign(static_cast<std::size_t>(request.model.classes), 0);
  if (!reply.class_examples.empty()) reply.class_examples.front() = examples;
  return reply;
}

/// Returns the answer to a request; none for a Cancel, because no request is running.
std::optional<Reply> answer(const Options& options, const Request& request, const Record& record) {
  const auto begin = std::chrono::steady_clock::now();
  const auto seconds = [begin] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  const Failed no_memory{ErrorCode::kInvalidArgument, "expected two shared vectors"};
  if (const auto* prepare = std::get_if<Prepare>(&request)) return prepared_for(*prepare, options.examples);
  if (const auto* train = std::get_if<Train>(&request)) {
    if (record.descriptors.size() != 2 || !fill_shared(record.descriptors[1], changes(options))) return no_memory;
    return Trained{0.0, train->local_epochs, false, seconds()};
  }
  if (std::holds_alternative<Evaluate>(request)) {
    if (record.descriptors.size() != 2 || !fill_shared<std::uint64_t>(record.descriptors[1], {0})) return no_memory;
    return Evaluated{seconds()};
  }
  return std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  if (options.socket < 0) return 2;
  RecordChannel channel{Descriptor(options.socket)};
  if (!channel.send(encode(Reply(Hello{kProtocolVersion, "consilium-echo-trainer", "cpu", true})))) return 1;
  while (true) {
    const auto record = channel.receive();
    if (!record) return 1;
    if (!record->has_value()) return 0;
    const auto request = decode_request((*record)->json);
    if (!request) return 1;
    const auto reply = answer(options, *request, **record);
    if (reply && !channel.send(encode(*reply))) return 1;
  }
}
