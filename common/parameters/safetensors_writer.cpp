#include <fcntl.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "common/parameters/safetensors.h"
#include "common/parameters/safetensors_header.h"

namespace consilium {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kRunningMean = "running_mean";
constexpr std::string_view kCounter = "num_batches_tracked";

tl::unexpected<Error> refused_by_system(std::string_view what) {
  return fail(errno == ENOSPC ? ErrorCode::kResourceExhausted : ErrorCode::kInternal,
              fmt::format("cannot be {}: {}", what, std::generic_category().message(errno)));
}

/// A file under a temporary name that takes its real one only when everything is on the disk.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path target) : target_(std::move(target)), temporary_(target_) {
    temporary_ += fmt::format(".{}.tmp", ::getpid());
  }
  ~AtomicFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (created_) ::unlink(temporary_.c_str());
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  Result<void> open() {
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0) return refused_by_system("created");
    created_ = true;
    return {};
  }

  Result<void> write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return refused_by_system("written");
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return {};
  }

  Result<void> commit() {
    if (::fsync(descriptor_) != 0) return refused_by_system("brought to disk");
    if (::rename(temporary_.c_str(), target_.c_str()) != 0) return refused_by_system("put in place");
    created_ = false;
    const std::filesystem::path folder = target_.has_parent_path() ? target_.parent_path() : ".";
    const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return refused_by_system("brought to disk");
    const bool synced = ::fsync(directory) == 0;
    ::close(directory);
    return synced ? Result<void>() : Result<void>(refused_by_system("brought to disk"));
  }

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool created_ = false;
};

/// The names of the step counters that PyTorch keeps beside each batch norm's running mean.
std::vector<std::string> counters_of(const ParameterManifest& manifest) {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : manifest.tensors()) {
    const std::string_view name = tensor.name;
    if (tensor.role != TensorRole::kBuffer || !name.ends_with(kRunningMean)) continue;
    names.push_back(std::string(name.substr(0, name.size() - kRunningMean.size())).append(kCounter));
  }
  return names;
}

/// The counters lie first, so that everything is aligned to its element size.
std::string header_of(const ParameterManifest& manifest, std::size_t counter_bytes,
                      const std::map<std::string, std::string>& metadata) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) {
    auto& values = header["__metadata__"] = nlohmann::ordered_json::object();
    for (const auto& [key, value] : metadata) values[key] = value;
  }
  std::size_t begin = 0;
  for (const std::string& name : counters_of(manifest)) {
    header[name] = {{"dtype", "I64"},
                    {"shape", nlohmann::ordered_json::array()},
                    {"data_offsets", {begin, begin + sizeof(std::int64_t)}}};
    begin += sizeof(std::int64_t);
  }
  for (const TensorInfo& tensor : manifest.tensors()) {
    begin = counter_bytes + tensor.offset * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, begin + tensor.size * sizeof(float)}}};
  }
  std::string text = header.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  return text;
}

Result<void> write(AtomicFile& file, const ParameterManifest& manifest, std::span<const float> parameters,
                   const std::map<std::string, std::string>& metadata) {
  if (parameters.size() != manifest.parameter_count()) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("expected {} parameters to write, found {}",
                                                         manifest.parameter_count(), parameters.size()));
  }
  const std::vector<std::int64_t> counters(counters_of(manifest).size(), 0);
  const std::string header = header_of(manifest, counters.size() * sizeof(std::int64_t), metadata);
  if (header.size() > kMaxSafetensorsHeaderBytes) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("its header would have {} bytes, at most {} fit",
                                                           header.size(), kMaxSafetensorsHeaderBytes));
  }
  const std::uint64_t header_bytes = header.size();
  CONSILIUM_TRY(file.open());
  CONSILIUM_TRY(file.write(std::as_bytes(std::span(&header_bytes, 1))));
  CONSILIUM_TRY(file.write(std::as_bytes(std::span(header))));
  CONSILIUM_TRY(file.write(std::as_bytes(std::span(counters))));
  CONSILIUM_TRY(file.write(std::as_bytes(parameters)));
  return file.commit();
}

}  // namespace

Result<void> write_safetensors(const std::filesystem::path& file, const ParameterManifest& manifest,
                               std::span<const float> parameters, const std::map<std::string, std::string>& metadata) {
  AtomicFile target(file);
  auto written = write(target, manifest, parameters, metadata);
  if (!written) return fail(written.error().within(file.string()));
  return {};
}

}  // namespace consilium
