#include "client/session/contribution.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "common/crypto/aes_ctr.h"
#include "common/encoding/fixed_point.h"

namespace consilium::session {

namespace {

using encoding::Field;
using job::SumKind;
using Words = std::vector<std::uint32_t>;

Result<void> check_kind(const job::RoundOrder& order, SumKind expected) {
  if (order.kind == expected) return {};
  return fail(ErrorCode::kInternal,
              fmt::format("found a {} contribution to a {} sum", job::name_of(expected), job::name_of(order.kind)));
}

std::span<std::uint32_t> words_of(const Field& field, Words& words) {
  return std::span(words).subspan(field.offset, field.words());
}

tl::unexpected<Error> refuse_unknown(const Field& field) {
  return fail(ErrorCode::kInvalidArgument, fmt::format("round order: a site can't fill the field '{}'", field.name));
}

/// Returns an error that names the parameter of a run which the encoder refused; returns `error` if the trainer has
/// changed it meanwhile.
Error name_parameter(const ParameterManifest& manifest, const TensorRun& run, std::span<const float> part,
                     Error error) {
  const auto bad = std::ranges::find_if(part, [](float value) { return !std::isfinite(value); });
  if (bad == part.end()) return error;
  const std::size_t index = run.offset + static_cast<std::size_t>(bad - part.begin());
  const TensorInfo& tensor = manifest.tensor_at(index);
  return {ErrorCode::kInvalidArgument, fmt::format("the update's parameter '{}' is {} at element {}", tensor.name,
                                                   std::isnan(*bad) ? "NaN" : "infinite", index - tensor.offset)};
}

/// Number of words encoded at a time: 256 KiB, which stay in the second-level cache until they are masked and copied.
constexpr std::size_t kPiece = 65536;
/// One running statistic may be clipped for every this many coordinates.
constexpr std::size_t kMostClipped = 1000;

/// The destination of encoded words: WholeVector is a vector with room for all of them, Pieces passes them to a sink
/// piece by piece.
class WholeVector {
 public:
  explicit WholeVector(Words& words) : rest_(words) {}
  [[nodiscard]] std::size_t most() const { return kPiece; }
  std::span<std::uint32_t> room(std::size_t count) { return rest_.first(count); }
  Result<void> filled(std::span<std::uint32_t> words) {
    rest_ = rest_.subspan(words.size());
    return {};
  }

 private:
  std::span<std::uint32_t> rest_;
};
class Pieces {
 public:
  Pieces(const WordSink& sink, unsigned threads) : sink_(sink), words_(kPiece * std::max(1U, threads)) {}
  [[nodiscard]] std::size_t most() const { return words_.size(); }
  std::span<std::uint32_t> room(std::size_t count) { return std::span(words_).first(count); }
  Result<void> filled(std::span<std::uint32_t> words) { return sink_(words); }

 private:
  const WordSink& sink_;
  Words words_;
};

/// What a site reports about one round of training, besides the delta.
struct Report {
  double weight = 0.0;  ///< n_i / N
  float loss = 0.0F;
  std::uint64_t examples = 0;
};

Result<Report> check_report(const job::RoundOrder& order, std::uint64_t examples, const trainer::Trained& trained) {
  // In a masked job nobody learns n_i, and the coordinator chooses N. If a site with more than N examples refused, the
  // coordinator could find out its number of examples by trying one N after another. Instead its weight is limited to
  // 1, and nobody can tell.
  const bool told = order.layout.find(encoding::kExamples) != nullptr;
  if (order.normaliser == 0 || (told && examples > order.normaliser)) {
    return fail(ErrorCode::kFailedPrecondition,
                fmt::format("this site has {} training examples, but the census counted only {} at all sites together: "
                            "a new census is needed",
                            examples, order.normaliser));
  }
  if (!std::isfinite(trained.mean_loss))
    return fail(ErrorCode::kInvalidArgument, "the training loss is not a finite number");
  const double loss = std::clamp(trained.mean_loss, -encoding::kMaxTrainLoss, encoding::kMaxTrainLoss);
  const double weight = std::min(1.0, static_cast<double>(examples) / static_cast<double>(order.normaliser));
  return Report{weight, static_cast<float>(loss), examples};
}

/// Encodes one field's share of the delta. Returns how many coordinates were clipped.
template <class Target>
Result<std::uint64_t> encode_delta(const Field& field, double weight, std::span<const float> delta, Target& target) {
  std::uint64_t clipped = 0;
  Field piece = field;
  while (!delta.empty()) {
    const auto values = delta.first(std::min(delta.size(), target.most()));
    const auto words = target.room(values.size());
    piece.elements = values.size();
    CONSILIUM_ASSIGN(const std::uint64_t cut, encoding::encode_fixed_point(values, piece, weight, words));
    CONSILIUM_TRY(target.filled(words));
    clipped += cut;
    delta = delta.subspan(values.size());
  }
  return clipped;
}

/// How many coordinates of an update were clipped.
struct Clipped {
  std::uint64_t all = 0;
  std::uint64_t trained = 0;  ///< those that are trained parameters, not running statistics
};

/// In a masked job's update, no trained parameter may be clipped, and the clipped running statistics may be at most a
/// thousandth of the update. A coordinate that is clipped at every site is n_i C with each site's sign. One such
/// coordinate with a single minus among the signs reveals that site's n_i; a few dozen coordinates reveal all n_i and
/// each site's signs (inseparable.h). Honest training never needs a clip that cuts.
Result<void> check_clipped(const job::RoundOrder& order, const Clipped& clipped, std::size_t coordinates) {
  const bool has_examples = order.layout.find(encoding::kExamples) != nullptr;
  const bool masked = !has_examples || order.layout.find(encoding::kUnusable) != nullptr;
  const std::uint64_t most = coordinates / kMostClipped + 1;
  if (!masked || (clipped.all <= most && clipped.trained == 0)) return {};
  return fail(
      ErrorCode::kInvalidArgument,
      fmt::format("{} of the update's {} coordinates exceed the clip, including {} trained parameters; expected no "
                  "trained parameter and at most {} running statistics: raise the clip, or lower the learning rate",
                  clipped.all, coordinates, clipped.trained, most));
}

/// Encodes the parameters in an update, run by run.
template <class Target>
Result<Clipped> encode_parameters(const job::RoundOrder& order, const ParameterManifest& manifest, double weight,
                                  std::span<const float> delta, Target& target) {
  CONSILIUM_ASSIGN(const std::vector<Field> fields, encoding::parameter_fields(order.layout, manifest));
  Clipped clipped;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const TensorRun& run = manifest.update_runs()[i];
    const auto part = delta.subspan(run.offset, run.size);
    auto cut = encode_delta(fields[i], weight, part, target);
    if (!cut) return fail(name_parameter(manifest, run, part, cut.error()));
    clipped.all += *cut;
    if (run.role == TensorRole::kTrainable) clipped.trained += *cut;
  }
  return clipped;
}

/// Encodes all fields in the layout's order, parameters first.
template <class Target>
Result<void> encode_update(const job::RoundOrder& order, const ParameterManifest& manifest, const Report& report,
                           std::span<const float> delta, Target&& target) {
  CONSILIUM_ASSIGN(const Clipped clipped, encode_parameters(order, manifest, report.weight, delta, target));
  for (const Field& field : order.layout.fields()) {
    if (field.name.starts_with(encoding::kParametersPrefix)) continue;
    const auto words = target.room(field.words());
    if (field.name == encoding::kLoss) {
      CONSILIUM_TRY(encoding::encode_fixed_point(std::span(&report.loss, 1), field, report.weight, words));
    } else if (field.name == encoding::kClipped) {
      CONSILIUM_TRY(encoding::encode_counts(std::span(&clipped.all, 1), field, words));
    } else if (field.name == encoding::kExamples) {
      CONSILIUM_TRY(encoding::encode_counts(std::span(&report.examples, 1), field, words));
    } else if (field.name == encoding::kUnusable) {
      std::ranges::fill(words, 0U);
    } else {
      return refuse_unknown(field);
    }
    CONSILIUM_TRY(target.filled(words));
  }
  CONSILIUM_TRY(check_clipped(order, clipped, manifest.update_size()));  // check: clipped-apart
  return {};
}

Result<Report> check_training(const job::RoundOrder& order, const ParameterManifest& manifest, std::uint64_t examples,
                              const trainer::Trained& trained, std::span<const float> delta) {
  CONSILIUM_TRY(check_kind(order, SumKind::kTrain));
  if (delta.size() != manifest.parameter_count()) {
    return fail(ErrorCode::kInternal, fmt::format("found a delta of {} parameters, but the model has {}", delta.size(),
                                                  manifest.parameter_count()));
  }
  return check_report(order, examples, trained);
}

/// Encodes one model's counts into the fields whose names begin with `prefix`.
Result<void> encode_evaluation(const job::RoundOrder& order, const task::Task& task,
                               std::span<const std::uint64_t> counts, std::string_view prefix, Words& words) {
  if (const auto checked = task.check(counts); !checked)
    return fail(ErrorCode::kInvalidArgument, "the trainer's evaluation contradicts itself: " + checked.error().message);
  for (const Field& field : task.evaluation_fields()) {
    const Field& placed = *order.layout.find(std::string(prefix) + field.name);
    CONSILIUM_TRY(encoding::encode_counts(counts.first(field.elements), placed, words_of(placed, words)));
    counts = counts.subspan(field.elements);
  }
  return {};
}

}  // namespace

Result<Words> census_contribution(const job::RoundOrder& order, const trainer::Prepared& prepared) {
  CONSILIUM_TRY(check_kind(order, SumKind::kCensus));
  Words words(order.layout.word_count());
  const std::array splits{prepared.train_examples, prepared.val_examples, prepared.test_examples};
  for (const Field& field : order.layout.fields()) {
    if (field.name == encoding::kExamples) {
      CONSILIUM_TRY(encoding::encode_counts(splits, field, words_of(field, words)));
    } else if (field.name == encoding::kClassExamples) {
      CONSILIUM_TRY(encoding::encode_counts(prepared.class_examples, field, words_of(field, words)));
    } else if (field.name != encoding::kUnusable) {  // stays 0

      return refuse_unknown(field);
    }
  }
  return words;
}

Result<Words> train_contribution(const job::RoundOrder& order, const ParameterManifest& manifest,
                                 std::uint64_t examples, const trainer::Trained& trained, std::span<const float> delta,
                                 Words memory) {
  CONSILIUM_ASSIGN(const Report report, check_training(order, manifest, examples, trained, delta));
  Words words = std::move(memory);
  words.resize(order.layout.word_count());  // every field is written or refused below
  CONSILIUM_TRY(encode_update(order, manifest, report, delta, WholeVector(words)));
  return words;
}

Result<void> stream_train_contribution(const job::RoundOrder& order, const ParameterManifest& manifest,
                                       std::uint64_t examples, const trainer::Trained& trained,
                                       std::span<const float> delta, const WordSink& sink, unsigned threads) {
  CONSILIUM_ASSIGN(const Report report, check_training(order, manifest, examples, trained, delta));
  return encode_update(order, manifest, report, delta, Pieces(sink, threads));
}

Result<Words> evaluate_contribution(const job::RoundOrder& order, const task::Task& task,
                                    std::span<const std::uint64_t> counts) {
  CONSILIUM_TRY(check_kind(order, SumKind::kEvaluate));
  CONSILIUM_ASSIGN(const encoding::VectorLayout expected, task::evaluate_layout_like(task, order.layout));
  if (order.layout != expected)
    return fail(ErrorCode::kInvalidArgument, "round order: its layout is not that of the task's evaluation");
  // The trainer can still write to `counts`, so they are copied: what is checked must be what is sent.
  const std::vector<std::uint64_t> own(counts.begin(), counts.end());
  const bool alone = order.layout.find(std::string(task::kAlonePrefix) + std::string(task::kExamples)) != nullptr;
  const std::size_t elements = task.evaluation_elements();
  if (own.size() != elements * (alone ? 2 : 1))
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("found {} counts of an evaluation, expected {}", own.size(), elements * (alone ? 2 : 1)));
  Words words(order.layout.word_count());
  CONSILIUM_TRY(encode_evaluation(order, task, std::span(own).first(elements), "", words));
  if (alone) CONSILIUM_TRY(encode_evaluation(order, task, std::span(own).subspan(elements), task::kAlonePrefix, words));
  return words;  // `unusable` is 0
}

Result<Words> unusable_contribution(const job::RoundOrder& order, const crypto::SecretBytes& key) {
  const Field* unusable = order.layout.find(encoding::kUnusable);
  if (unusable == nullptr) return fail(ErrorCode::kInternal, "the sum's layout lacks the field for unusable results");
  Words words(order.layout.word_count());
  CONSILIUM_ASSIGN(crypto::AesCtrStream stream, crypto::AesCtrStream::begin(key, {}));
  CONSILIUM_TRY(stream.next({reinterpret_cast<std::uint8_t*>(words.data()), words.size() * sizeof(words[0])}));
  words[unusable->offset] = 1;
  return words;
}

}  // namespace consilium::session
