#include "client/trainer/predict/predict.h"

#include <spdlog/fmt/fmt.h>

#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "client/trainer/device.h"
#include "client/trainer/interrupt.h"
#include "client/trainer/predict/image_loader.h"
#include "client/trainer/predict/index.h"
#include "client/trainer/predict/input_list.h"
#include "client/trainer/predict/predictor.h"
#include "client/trainer/predict/results.h"
#include "client/trainer/progress_line.h"
#include "common/report/report_files.h"
#include "common/report/result_folder.h"

namespace consilium::predict {
namespace {

using nlohmann::json;
using trainer::PredictOptions;

/// The maximum number of failures that are printed. All of them are in predictions.json.
constexpr std::size_t kMostPrinted = 20;

/// Returns true if an error concerns only one image, so that the others can be processed.
bool is_of_image(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kResourceExhausted ||
         error.code == ErrorCode::kNotFound || error.code == ErrorCode::kDataLoss;
}

/// Returns an error's message without the file's path.
std::string why_of(const data::Item& item, const std::string& message) {
  for (const auto& file : item.files) {
    const std::string prefix = file.string() + ": ";
    if (message.starts_with(prefix)) return message.substr(prefix.size());
  }
  return message;
}

/// Makes the predictions for a list of images, in its order.
class Prediction {
 public:
  Prediction(const ImageLoader& loader, Predictor& predictor, Results& results, InputList& list)
      : loader_(loader), predictor_(predictor), results_(results), list_(list) {}

  Result<void> run() {
    trainer::ProgressLine line("predicting", static_cast<double>(list_.items.size()));
    const std::span<const data::Item> all(list_.items);
    for (std::size_t at = 0; at < all.size();) {
      const std::span<const data::Item> chunk =
          all.subspan(at, loader_.together(all.subspan(at), predictor_.batch_size()));
      std::vector<LoadedImage> loaded = loader_.load(chunk);
      for (LoadedImage& one : loaded) CONSILIUM_TRY(take(one));
      CONSILIUM_TRY(flush());
      at += chunk.size();
      line.show({.steps_done = at, .steps_total = all.size()});
    }
    return {};
  }

  [[nodiscard]] std::size_t predicted() const { return predicted_; }

 private:
  /// A prepared plane that waits for its batch to be complete.
  struct Waiting {
    LoadedImage* of = nullptr;
    std::int64_t plane = 0;
  };

  Result<void> take(LoadedImage& loaded) {
    if (!loaded.readable) return give_up(loaded, loaded.readable.error());
    if (loaded.is_segmentation) {
      list_.skipped.push_back({loaded.image.item->id, "a DICOM segmentation, not an image"});
      return {};
    }
    for (std::int64_t plane = 0; plane < loaded.image.planes; ++plane) {
      if (loaded.prepared.empty()) {
        auto prepared = loader_.prepare(loaded.image, plane);
        if (!prepared) return give_up(loaded, prepared.error());
        cases_.push_back(std::move(*prepared));
      } else {
        cases_.push_back(std::move(loaded.prepared.front()));
      }
      waiting_.push_back({&loaded, plane});
      if (cases_.size() == predictor_.batch_size()) CONSILIUM_TRY(flush());
      if (!loaded.readable) return {};
    }
    return {};
  }

  Result<void> flush() {
    std::vector<data::PreparedItem> cases = std::exchange(cases_, {});
    const std::vector<Waiting> waiting = std::exchange(waiting_, {});
    if (cases.empty()) return {};
    std::vector<data::Placement> placements;
    for (const data::PreparedItem& one : cases) placements.push_back(one.placement);
    auto predictions = predictor_.predict(cases);
    if (!predictions && cases.size() > 1 && is_of_image(predictions.error())) return one_by_one(waiting);
    if (!predictions) return give_up(*waiting.front().of, predictions.error());
    for (std::size_t i = 0; i < waiting.size(); ++i)
      CONSILIUM_TRY(hand_over(waiting[i], placements[i], std::move((*predictions)[i])));
    return {};
  }

  /// Predicts the images of a batch separately, to find out which of them can't be predicted.
  Result<void> one_by_one(const std::vector<Waiting>& waiting) {
    for (const Waiting& one : waiting) {
      if (!one.of->readable) continue;
      auto prepared = loader_.prepare(one.of->image, one.plane);
      if (!prepared) {
        CONSILIUM_TRY(give_up(*one.of, prepared.error()));
        continue;
      }
      cases_.push_back(std::move(*prepared));
      waiting_.push_back(one);
      CONSILIUM_TRY(flush());
    }
    return {};
  }

  Result<void> hand_over(const Waiting& of, const data::Placement& placement, CasePrediction prediction) {
    LoadedImage& loaded = *of.of;
    if (!loaded.readable) return {};
    auto taken = results_.take(loaded.image, of.plane, placement, std::move(prediction));
    const bool last = of.plane + 1 == loaded.image.planes;
    if (taken && last) taken = results_.finish_image(loaded.image);
    if (!taken) return give_up(loaded, taken.error());
    predicted_ += last ? 1 : 0;
    return {};
  }

  /// Records that an image can't be predicted. Fails if that isn't due to the image.
  Result<void> give_up(LoadedImage& loaded, const Error& error) {
    if (!is_of_image(error)) return fail(error);
    loaded.readable = fail(error);
    CONSILIUM_TRY(flush());  // those waiting belong to earlier images, or to this one and are skipped
    results_.drop_image();
    list_.damaged.push_back({loaded.image.item->id, why_of(*loaded.image.item, error.message)});
    return {};
  }

  const ImageLoader& loader_;
  Predictor& predictor_;
  Results& results_;
  InputList& list_;
  std::vector<data::PreparedItem> cases_;
  std::vector<Waiting> waiting_;
  std::size_t predicted_ = 0;
};

json listed(const std::vector<data::LeftOut>& files) {
  json list = json::array();
  for (const data::LeftOut& one : files) list.push_back({{"file", one.id}, {"why", one.why}});
  return list;
}

/// The outcome of a run.
struct Summary {
  std::size_t predicted = 0;
  double seconds = 0.0;
  std::string device;

  [[nodiscard]] double rate() const { return seconds > 0.0 ? static_cast<double>(predicted) / seconds : 0.0; }
};

void print(const PredictOptions& options, const InputList& list, const PreparationChoice& choice,
           const Summary& summary) {
  for (std::size_t i = 0; i < std::min(list.damaged.size(), kMostPrinted); ++i)
    fmt::print(stderr, "consilium-trainer: {}: {}\n", list.damaged[i].id, list.damaged[i].why);
  if (list.damaged.size() > kMostPrinted)
    fmt::print(stderr, "consilium-trainer: and {} more files (predictions.json)\n", list.damaged.size() - kMostPrinted);
  if (options.json) {
    const json record{{"predicted", summary.predicted},      {"failed", listed(list.damaged)},
                      {"skipped", list.skipped.size()},      {"seconds", summary.seconds},
                      {"images_per_second", summary.rate()}, {"device", summary.device},
                      {"preparation", choice.in_words},      {"output", options.output.string()}};
    fmt::print("{}\n", line_of(record));
    return;
  }
  fmt::print("images were prepared: {}\n", choice.in_words);
  if (!list.skipped.empty())
    fmt::print("{} other files were skipped, such as {}: {}\n", list.skipped.size(), list.skipped[0].id,
               list.skipped[0].why);
  fmt::print("predicted {} of {} images in {} ({:.1f} images/s) on {}: {}\n", summary.predicted,
             summary.predicted + list.damaged.size(), trainer::duration_text(summary.seconds), summary.rate(),
             summary.device, options.output.string());
}

/// Reads the model. If its job failed or hospitals have the rest of it, the error says what to do.
Result<report::ResultFolder> read_model(const PredictOptions& options) {
  CONSILIUM_ASSIGN(report::ResultFolder model, report::read_result_folder(options.model, options.job));
  if (model.failure)
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("{}: its report says that the job '{}' has failed ({}); to use the last model anyway, name "
                            "{} itself, and the job's file with --job",
                            options.model.string(), model.spec.name, *model.failure, report::kModelFile));
  if (!options.job) CONSILIUM_TRY(report::check_complete(model));
  return model;
}

Result<bool> predict(const PredictOptions& options, const std::shared_ptr<data::ImageDecoder>& decoder) {
  CONSILIUM_ASSIGN(const report::ResultFolder model, read_model(options));
  CONSILIUM_ASSIGN(const at::Device device, trainer::set_up_device(options.device, options.threads));
  CONSILIUM_ASSIGN(const PreparationChoice choice, choose_preparation(options, model.spec, decoder));
  const data::FileImages files(decoder);
  CONSILIUM_ASSIGN(InputList list, list_inputs(options.input, choice.series, files));
  CONSILIUM_ASSIGN(Predictor predictor, Predictor::create(model, choice, device, trainer::is_interrupted));
  CONSILIUM_ASSIGN(OutputFolder output, OutputFolder::create(options.output, options.force));
  CONSILIUM_ASSIGN(const auto results, make_results({.model = &model,
                                                     .choice = &choice,
                                                     .output = &output,
                                                     .software = trainer::software_name(),
                                                     .threads = options.threads,
                                                     .overlays = options.overlays}));
  trainer::watch_interrupt();
  const auto start = std::chrono::steady_clock::now();
  const ImageLoader loader(files, choice.preparation, options.threads, options.overlays);
  Prediction prediction(loader, predictor, *results, list);
  CONSILIUM_TRY(prediction.run());
  const Summary summary{prediction.predicted(),
                        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), device.str()};
  CONSILIUM_TRY(results->finish(
      fmt::format("\"failed\": {},\n\"skipped\": {}", line_of(listed(list.damaged)), line_of(listed(list.skipped)))));
  print(options, list, choice, summary);
  return list.damaged.empty();
}

}  // namespace
}  // namespace consilium::predict

namespace consilium::trainer {

Result<bool> run_predict(const PredictOptions& options, std::shared_ptr<data::ImageDecoder> decoder) {
  return predict::predict(options, decoder);
}

}  // namespace consilium::trainer
