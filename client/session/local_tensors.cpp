#include "client/session/local_tensors.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <string>
#include <system_error>
#include <vector>

#include "common/files/files.h"

namespace consilium::session {
namespace {

/// Number of rounds whose values are kept: the last one, and the one before it, which a repeated last round starts
/// from.
constexpr std::size_t kKeptRounds = 2;

/// Returns the files of a job, by the round that produced them.
std::map<std::uint32_t, std::filesystem::path> files_of(const std::filesystem::path& folder,
                                                        const crypto::Digest& job) {
  std::map<std::uint32_t, std::filesystem::path> files;
  const std::string prefix = crypto::to_hex(job) + ".";
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    std::uint32_t round = 0;
    const char* const end = name.data() + name.size();
    const auto [stop, error] = std::from_chars(name.data() + prefix.size(), end, round);
    if (error == std::errc() && stop == end) files[round] = entry.path();
  }
  return files;
}

}  // namespace

Result<bool> LocalTensors::put_into(const crypto::Digest& job, const ParameterManifest& manifest,
                                    std::uint32_t before_round, std::span<float> model) const {
  const auto files = files_of(folder_, job);
  auto last = files.lower_bound(before_round);
  if (last == files.begin()) return false;
  --last;
  std::vector<float> values(manifest.local_size());
  CONSILIUM_TRY(files::read_exactly(last->second, std::as_writable_bytes(std::span(values))));
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); }))
    return fail(ErrorCode::kDataLoss, fmt::format("{}: holds a number that isn't finite", last->second.string()));
  auto from = values.cbegin();
  for (const TensorRun& run : manifest.local_runs()) {
    std::copy_n(from, run.size, model.subspan(run.offset).begin());
    from += static_cast<std::ptrdiff_t>(run.size);
  }
  return true;
}

Result<void> LocalTensors::keep(const crypto::Digest& job, const ParameterManifest& manifest, std::uint32_t round,
                                std::span<const float> model, std::span<const float> delta) const {
  std::vector<float> values;
  values.reserve(manifest.local_size());
  for (const TensorRun& run : manifest.local_runs()) {
    for (std::size_t i = run.offset; i < run.offset + run.size; ++i) values.push_back(model[i] + delta[i]);
  }
  if (!std::ranges::all_of(values, [](float value) { return std::isfinite(value); })) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("round {}: training gave a layer of model.local a number that isn't finite", round));
  }
  CONSILIUM_TRY(files::make_private_folder(folder_));
  const std::filesystem::path file = folder_ / fmt::format("{}.{}", crypto::to_hex(job), round);
  CONSILIUM_TRY(files::replace_file(file, std::as_bytes(std::span(values)), files::Access::kOwner));
  auto kept = files_of(folder_, job);
  kept.erase(kept.upper_bound(round), kept.end());
  std::error_code ignored;
  for (; kept.size() > kKeptRounds; kept.erase(kept.begin())) std::filesystem::remove(kept.begin()->second, ignored);
  return {};
}

void LocalTensors::forget(const crypto::Digest& job) const {
  std::error_code ignored;
  for (const auto& [round, file] : files_of(folder_, job)) std::filesystem::remove(file, ignored);
}

}  // namespace consilium::session
