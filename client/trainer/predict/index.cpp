#include "client/trainer/predict/index.h"

#include <nlohmann/json.hpp>
#include <span>
#include <string_view>
#include <utility>

#include "common/crypto/sha256.h"
#include "common/job/job_text.h"
#include "common/task/task_spec.h"

namespace consilium::predict {
namespace {

using nlohmann::json;

constexpr const char* kJsonName = "predictions.json";
constexpr const char* kTableName = "predictions.csv";
constexpr const char* kPurpose = "research; not a medical device, and no basis for decisions about patients";

/// Returns a cell of a table, quoted as in RFC 4180 if necessary.
std::string cell(std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(text);
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? std::string("\"\"") : std::string(1, c);
  return quoted + "\"";
}

std::string row_of_cells(const std::vector<std::string>& cells) {
  std::string row;
  for (std::size_t i = 0; i < cells.size(); ++i) row += (i == 0 ? "" : ",") + cell(cells[i]);
  return row + "\n";
}

/// Returns the beginning of predictions.json, up to its list of images.
std::string head_of(const ResultContext& context) {
  const job::JobSpec& job = context.model->spec;
  const auto digest = crypto::sha256(std::as_bytes(std::span(context.model->model)));
  const json head{{"purpose", kPurpose},
                  {"job", job.name},
                  {"job_digest", crypto::to_hex(job::job_digest(job))},
                  {"model", crypto::to_hex(digest)},
                  {"software", context.software},
                  {"task", task::name_of(job.task.kind)},
                  {"classes", context.choice->classes},
                  {"preparation", context.choice->in_words}};
  std::string text = line_of(head);
  text.back() = ',';  // replaces the closing brace
  return text + "\n\"images\": [";
}

}  // namespace

std::string line_of(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

Result<Index> Index::create(const ResultContext& context, const std::vector<std::string>& columns) {
  const auto& folder = context.output->path();
  CONSILIUM_ASSIGN(GrowingFile json_file, GrowingFile::create(folder / kJsonName));
  CONSILIUM_ASSIGN(GrowingFile table, GrowingFile::create(folder / kTableName));
  Index index(std::move(json_file), std::move(table));
  std::vector<std::string> names{"file", "plane"};
  names.insert(names.end(), columns.begin(), columns.end());
  CONSILIUM_TRY(index.json_.append(head_of(context)));
  CONSILIUM_TRY(index.table_.append(row_of_cells(names)));
  return index;
}

Result<void> Index::add(const Image& image, std::int64_t plane, json entry, const std::vector<std::string>& cells) {
  const bool several = image.planes > 1 && plane >= 0;
  entry["file"] = image.item->id;
  if (image.item->files.size() > 1) entry["files"] = image.item->files.size();
  if (several) entry["plane"] = plane;
  CONSILIUM_TRY(json_.append((std::exchange(first_, false) ? "\n" : ",\n") + line_of(entry)));
  std::vector<std::string> row{image.item->id, several ? std::to_string(plane) : std::string()};
  row.insert(row.end(), cells.begin(), cells.end());
  return table_.append(row_of_cells(row));
}

Result<void> Index::finish(const std::string& rest) {
  CONSILIUM_TRY(json_.append("\n],\n" + rest + "}\n"));
  CONSILIUM_TRY(json_.finish());
  return table_.finish();
}

}  // namespace consilium::predict
