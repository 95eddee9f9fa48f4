#include "client/trainer/predict/preparation_choice.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "client/trainer/data/item_set.h"
#include "client/trainer/described_data.h"
#include "common/config/value.h"

namespace consilium::predict {
namespace {

using trainer::DataSource;
using trainer::Preprocess;
using Match = trainer::LabelSource::Match;

/// Masks store a class in one byte.
constexpr std::int64_t kMaxMaskClasses = 256;
constexpr std::size_t kMaxClassName = 256;

bool is_flat(const job::JobSpec& job) { return job.model.input.size() != 4; }
bool has_masks(const job::JobSpec& job) { return job.task.kind == task::TaskKind::kSegmentation; }

/// Returns the preparation that resizes to the model's input; for a model of images, volumes are processed plane by
/// plane.
Preprocess default_preprocess(const job::JobSpec& job) {
  Preprocess preprocess;
  if (job.model.input.size() >= 3) preprocess.size.assign(job.model.input.begin() + 1, job.model.input.end());
  if (is_flat(job)) preprocess.slices = Preprocess::Slices::kAxial;
  return preprocess;
}

Result<Preprocess> read_preprocess_file(const std::filesystem::path& file) {
  CONSILIUM_ASSIGN(const config::Value value, config::read(file));
  auto read = trainer::preprocess_from_json(value.json());
  if (!read) return fail(value.problem_below(read.error().message));
  return read;
}

/// A site's description of its images, and where it was found.
struct Described {
  DataSource source;
  std::string in_words;
  bool of_site = false;  ///< the source is a data set, with labels and images
};

Result<Described> described_by(const trainer::PredictOptions& options, const job::JobSpec& job) {
  Described described;
  if (!options.data.empty()) {
    CONSILIUM_ASSIGN(described.source, trainer::data_source_of(options.data));
    described.of_site = true;
    described.in_words = "as described in " + options.data;
  } else if (!options.preprocess.empty()) {
    CONSILIUM_ASSIGN(described.source.preprocess, read_preprocess_file(options.preprocess));
    described.in_words = "as described in " + options.preprocess.string();
  }
  const auto* type = trainer::find_data_type(described.source.type);
  const bool arrays = type != nullptr && type->arrays && described.source.preprocess == Preprocess{};
  if (described.in_words.empty() || arrays) {
    described.source.preprocess = default_preprocess(job);
    const std::vector<std::int64_t> sides(job.model.input.begin() + (job.model.input.size() > 1 ? 1 : 0),
                                          job.model.input.end());
    described.in_words = fmt::format("resized to {}, and nothing else", fmt::join(sides, " x "));
  }
  return described;
}

Result<std::vector<std::string>> names_of_classes(const trainer::PredictOptions& options, const DataSource& source,
                                                  std::int64_t count) {
  std::vector<std::string> names = options.classes.empty() ? source.labels.classes : options.classes;
  if (names.empty()) names = source.labels.columns;
  if (names.empty()) {
    for (std::int64_t i = 0; i < count; ++i) names.push_back(fmt::format("{}", i));
  }
  if (std::cmp_not_equal(names.size(), count))
    return refuse(fmt::format("--classes: the model has {} classes, found {} names", count, names.size()));
  for (const std::string& name : names) {
    const bool control = std::ranges::any_of(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (name.empty() || name.size() > kMaxClassName || control || std::ranges::count(names, name) != 1)
      return refuse("--classes: expected different names without control characters");
  }
  return names;
}

Result<void> check_use(const Described& described, const job::JobSpec& job) {
  const Preprocess& preprocess = described.source.preprocess;
  if (job.model.input.size() < 3) return refuse("the job's model takes rows of numbers, but predict reads images");
  if (has_masks(job) && job.model.classes > kMaxMaskClasses)
    return refuse(
        fmt::format("the job's model has {} classes, but a mask holds at most {}", job.model.classes, kMaxMaskClasses));
  if (!preprocess.patch.empty() && !has_masks(job))
    return refuse(
        "preprocess.patches: a model that was trained on patches can only predict masks of whole images; give "
        "--preprocess with size");
  if (preprocess.normalise == Preprocess::Normalise::kSite && !described.of_site)
    return refuse(
        "preprocess.normalise: 'site' stands for the mean and deviation of a data set's training images; name the data "
        "set with --data client.yaml:NAME, or write the numbers as normalise: {mean: [...], std: [...]}");
  return {};
}

/// Returns the mean and deviation of the site's training images, as its own evaluation computes them.
Result<data::Scale> scale_of_site(const DataSource& source, const job::JobSpec& job,
                                  std::shared_ptr<data::ImageDecoder> decoder,
                                  std::shared_ptr<const data::Atlas> atlas) {
  fmt::print(stderr, "consilium-trainer: reading {} for normalise: site\n", source.path);
  CONSILIUM_ASSIGN(const auto set, data::ItemSet::open(source, job.model.input, job.model.classes, std::move(decoder),
                                                       nullptr, std::move(atlas)));
  return set->site_scale();
}

Result<std::shared_ptr<const data::Atlas>> read_atlas(const trainer::PredictOptions& options, const job::JobSpec& job,
                                                      data::ImageDecoder& decoder) {
  CONSILIUM_ASSIGN(const auto file, trainer::atlas_file(job, options.atlas));
  if (!file) return std::shared_ptr<const data::Atlas>();
  return data::Atlas::read(decoder, *file);
}

}  // namespace

Result<PreparationChoice> choose_preparation(const trainer::PredictOptions& options, const job::JobSpec& job,
                                             const std::shared_ptr<data::ImageDecoder>& decoder) {
  CONSILIUM_ASSIGN(const Described described, described_by(options, job));
  CONSILIUM_TRY(check_use(described, job));
  const DataSource& source = described.source;
  CONSILIUM_ASSIGN(const auto atlas, read_atlas(options, job, *decoder));
  CONSILIUM_ASSIGN(data::Preparation preparation, data::Preparation::create(source, job.model.input, atlas));
  PreparationChoice choice{
      .preparation = std::move(preparation), .scale = {}, .classes = {}, .in_words = described.in_words};
  CONSILIUM_ASSIGN(choice.classes, names_of_classes(options, source, job.model.classes));
  if (source.preprocess.normalise == Preprocess::Normalise::kSite) {
    CONSILIUM_ASSIGN(choice.scale, scale_of_site(source, job, decoder, atlas));
  }
  const Match match = source.labels.match;
  const bool by_series = match == Match::kPatient || match == Match::kStudy || match == Match::kSeries;
  const bool slices = source.preprocess.slices != Preprocess::Slices::kNone;
  choice.series = !is_flat(job) || (slices && (by_series || has_masks(job)));
  choice.windows = choice.preparation.has_patches();
  return choice;
}

}  // namespace consilium::predict
