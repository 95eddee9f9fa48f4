#include "coordinator/journal/job_numbers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/files/files.h"

namespace consilium::journal {
namespace {

constexpr std::size_t kMaxBytes = std::size_t{64} << 20;

}  // namespace

Result<JobNumbers> JobNumbers::open(const std::filesystem::path& file) {
  JobNumbers numbers(file);
  if (file.empty()) return numbers;
  const auto text = files::read_file(file, kMaxBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return numbers;
  if (!text) return fail(text.error());
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  const auto is_number = [](const auto& entry) { return entry.is_number_unsigned(); };
  if (!json.is_object() || !std::all_of(json.begin(), json.end(), is_number)) {
    return fail(ErrorCode::kDataLoss, file.string() +
                                          ": expected an object of job names and numbers; restore the file from a "
                                          "backup, or move it away and give new jobs new names");
  }
  for (const auto& [name, number] : json.items()) numbers.last_[name] = number.template get<std::uint64_t>();
  return numbers;
}

Result<std::uint64_t> JobNumbers::next(const std::string& job_name) {
  const std::uint64_t number = last_[job_name] + 1;
  last_[job_name] = number;
  if (!file_.empty()) CONSILIUM_TRY(files::replace_file(file_, nlohmann::json(last_).dump() + "\n"));
  return number;
}

}  // namespace consilium::journal
