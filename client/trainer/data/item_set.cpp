#include "client/trainer/data/item_set.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "client/trainer/data/parallel.h"
#include "client/trainer/data/readers.h"
#include "common/crypto/sha256.h"

namespace consilium::data {
namespace {

constexpr std::uint64_t kMaxExamples = std::uint64_t{1} << 31;
constexpr std::size_t kMaxNotes = 1000;

/// Fails if a target names a class that the model doesn't have.
Result<void> check_target(const Target& target, std::int64_t classes) {
  const auto refuse = [&](std::uint64_t found) -> Result<void> {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("its target names class {}, but the model has {} classes", found, classes));
  };
  if (const auto* label = std::get_if<ClassLabel>(&target))
    return std::cmp_less(label->value, classes) ? Result<void>() : refuse(label->value);
  if (const auto* labels = std::get_if<LabelVector>(&target)) {
    if (std::cmp_equal(labels->values.size(), classes)) return {};
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("it has {} labels, but the model has {}", labels->values.size(), classes));
  }
  if (const auto* mask = std::get_if<Mask>(&target)) {
    const std::uint8_t most = mask->classes.empty() ? 0 : *std::max_element(mask->classes.begin(), mask->classes.end());
    return std::cmp_less(most, classes) ? Result<void>() : refuse(most);
  }
  for (const Box& box : std::get<Boxes>(target).boxes)
    if (std::cmp_greater_equal(box.label, classes)) return refuse(box.label);
  return {};
}

/// Adds one to the count of each class in a target. All of them must be below counts.size().
void count_classes(const Target& target, std::vector<std::uint64_t>& counts) {
  if (const auto* label = std::get_if<ClassLabel>(&target)) {
    ++counts[label->value];
    return;
  }
  std::vector<bool> held(counts.size(), false);
  if (const auto* labels = std::get_if<LabelVector>(&target)) {
    for (std::size_t i = 0; i < labels->values.size(); ++i) held[i] = labels->values[i] != 0;
  } else if (const auto* mask = std::get_if<Mask>(&target)) {
    for (const std::uint8_t value : mask->classes) held[value] = true;
  } else {
    for (const Box& box : std::get<Boxes>(target).boxes) held[box.label] = true;
  }
  for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += held[i] ? 1 : 0;
}

std::size_t place_of(job::Split split) { return split == job::Split::kTrain ? 0 : split == job::Split::kVal ? 1 : 2; }

std::uint64_t cache_key(const ExampleKey& key) { return std::uint64_t{key.item} << 32 | key.plane; }

crypto::Digest digest_of(const Volume& image) {
  crypto::Sha256 hash;
  hash.update(std::as_bytes(std::span(image.sides)));
  hash.update(std::as_bytes(std::span(image.values)));
  return hash.finish();
}

}  // namespace

/// The findings of the first reading of an item.
struct ItemSet::Checked {
  std::int64_t planes = 0;
  std::optional<Error> unreadable;
  std::optional<Error> wrong_target;
  crypto::Digest digest{};
  std::vector<double> sums, squares;  ///< of each channel, over the item's planes
  double values = 0.0;                ///< number of values in each channel
  std::vector<std::uint64_t> held;    ///< number of planes that hold each class
};

ItemSet::Checked ItemSet::check_one(std::size_t index, std::int64_t classes) const {
  Checked checked;
  const Item& item = collection_.items[index];
  const auto planes = preparation_.planes_of(collection_, item);
  if (!planes) {
    checked.unreadable = planes.error();
    return checked;
  }
  checked.planes = *planes;
  const auto channels = static_cast<std::size_t>(preparation_.channels());
  checked.sums.assign(channels, 0.0);
  checked.squares.assign(channels, 0.0);
  checked.held.assign(static_cast<std::size_t>(classes), 0);
  for (std::int64_t plane = 0; plane < *planes; ++plane) {
    auto prepared = preparation_.load(collection_, item, plane);
    if (!prepared) {
      checked.unreadable = prepared.error();
      return checked;
    }
    if (const auto fits = check_target(prepared->target, classes); !fits) {
      checked.wrong_target = fits.error().within(item.origin.empty() ? item.id : item.origin);
      return checked;
    }
    count_classes(prepared->target, checked.held);
    const std::size_t size = prepared->image.plane();
    const double unit = prepared->image.bytes ? 255.0 : 1.0;
    for (std::size_t at = 0; at < prepared->image.values.size(); ++at) {
      const double value = static_cast<double>(prepared->image.values[at]) / unit;
      checked.sums[at / size] += value;
      checked.squares[at / size] += value * value;
    }
    checked.values += static_cast<double>(size);
    if (*planes == 1) checked.digest = digest_of(prepared->image);
    cache_.keep(cache_key({static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(plane), 0}), *prepared);
  }
  return checked;
}

Result<void> ItemSet::count_unreadable(std::size_t unreadable, const std::string& first) const {
  const std::size_t all = collection_.items.size() + static_cast<std::size_t>(std::count_if(
                                                         collection_.left_out.begin(), collection_.left_out.end(),
                                                         [](const LeftOut& one) { return !one.unlabelled; }));
  if (static_cast<double>(unreadable) <= source_.loading.unreadable * static_cast<double>(all)) return {};
  return fail(ErrorCode::kInvalidArgument, fmt::format("{} of {} files can't be read, which is more than the share of "
                                                       "{} that loading.unreadable allows; the first: {}",
                                                       unreadable, all, source_.loading.unreadable, first));
}

Result<void> ItemSet::check(std::int64_t classes) {
  std::vector<Checked> checked(collection_.items.size());
  for_each_index(checked.size(), source_.loading.threads, [&](std::size_t i) { checked[i] = check_one(i, classes); });
  std::string first;
  std::size_t unreadable = 0;
  const auto note = [&](const std::string& what) {
    if (unreadable++ == 0) first = what;
    if (notes_.size() < kMaxNotes) notes_.push_back("left out: " + what);
  };
  for (const LeftOut& one : collection_.left_out)
    if (!one.unlabelled) note(fmt::format("{}: {}", one.id, one.why));
  for (const Checked& one : checked) {
    if (one.unreadable) note(one.unreadable->message);
    if (one.wrong_target) return fail(*one.wrong_target);
  }
  CONSILIUM_TRY(count_unreadable(unreadable, first));
  std::uint64_t examples = 0;
  class_examples_.assign(static_cast<std::size_t>(classes), 0);
  for (std::size_t i = 0; i < checked.size(); ++i) {
    if (checked[i].unreadable) continue;
    const job::Split split = collection_.items[i].split;
    for (std::size_t c = 0; c < class_examples_.size() && split == job::Split::kTrain; ++c)
      class_examples_[c] += checked[i].held[c] * preparation_.patches_per_item();
    for (std::int64_t plane = 0; plane < checked[i].planes; ++plane) {
      const ExampleKey key{static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(plane), 0};
      for (std::uint32_t patch = 0; patch < preparation_.patches_per_item(); ++patch)
        examples_[place_of(split)].push_back({key.item, key.plane, patch});
      if (are_windowed()) whole_[place_of(split)].push_back(key);
    }
    examples += static_cast<std::uint64_t>(checked[i].planes) * preparation_.patches_per_item();
    if (examples > kMaxExamples)
      return fail(ErrorCode::kResourceExhausted, fmt::format("more than {} examples", kMaxExamples));
  }
  if (examples_[place_of(job::Split::kTrain)].empty())
    return fail(ErrorCode::kInvalidArgument, "the training split holds no examples, expected at least one");
  note_equal(checked);
  measure(checked);
  return {};
}

void ItemSet::note_equal(const std::vector<Checked>& checked) {
  std::map<crypto::Digest, std::size_t> first;
  for (std::size_t i = 0; i < checked.size() && notes_.size() < kMaxNotes; ++i) {
    if (checked[i].unreadable || checked[i].planes != 1) continue;
    const Item& item = collection_.items[i];
    const Item& other = collection_.items[first.emplace(checked[i].digest, i).first->second];
    if (other.split == item.split) continue;
    notes_.push_back(fmt::format("the same image is in two splits: '{}' in {}, '{}' in {}", other.id,
                                 job::name_of(other.split), item.id, job::name_of(item.split)));
  }
}

void ItemSet::measure(const std::vector<Checked>& checked) {
  const auto channels = static_cast<std::size_t>(preparation_.channels());
  scale_ = {std::vector<float>(channels, 0.0F), std::vector<float>(channels, 1.0F)};
  for (std::size_t c = 0; c < channels; ++c) {
    double sum = 0.0, squares = 0.0, values = 0.0;
    for (std::size_t i = 0; i < checked.size(); ++i) {
      if (checked[i].unreadable || collection_.items[i].split != job::Split::kTrain) continue;
      sum += checked[i].sums[c];
      squares += checked[i].squares[c];
      values += checked[i].values;
    }
    const double mean = sum / values;
    const double deviation = std::sqrt(std::max(0.0, squares / values - mean * mean));
    scale_.mean[c] = static_cast<float>(mean);
    scale_.deviation[c] = deviation > 1e-6 ? static_cast<float>(deviation) : 1.0F;
  }
}

Result<std::shared_ptr<const ItemSet>> ItemSet::open(const trainer::DataSource& source,
                                                     const std::vector<std::int64_t>& input, std::int64_t classes,
                                                     std::shared_ptr<ImageDecoder> decoder,
                                                     std::shared_ptr<ScratchFile> scratch,
                                                     std::shared_ptr<const Atlas> atlas) {
  CONSILIUM_ASSIGN(Preparation preparation, Preparation::create(source, input, std::move(atlas)));
  CONSILIUM_ASSIGN(Collection collection, list_items(source, std::move(decoder)));
  if (collection.items.size() > std::numeric_limits<std::uint32_t>::max())
    return fail(ErrorCode::kResourceExhausted, source.path + ": too many items");
  auto set =
      std::shared_ptr<ItemSet>(new ItemSet(source, std::move(collection), std::move(preparation), std::move(scratch)));
  if (auto checked = set->check(classes); !checked) return fail(checked.error().within(source.path));
  return std::shared_ptr<const ItemSet>(std::move(set));
}

const std::vector<ExampleKey>& ItemSet::examples(job::Split split) const { return examples_[place_of(split)]; }

const std::vector<ExampleKey>& ItemSet::cases(job::Split split) const {
  return are_windowed() ? whole_[place_of(split)] : examples(split);
}

Result<PreparedItem> ItemSet::prepared(const ExampleKey& key) const {
  if (auto found = cache_.find(cache_key(key))) return std::move(*found);
  CONSILIUM_ASSIGN(PreparedItem item, preparation_.load(collection_, collection_.items[key.item], key.plane));
  cache_.keep(cache_key(key), item);
  return item;
}

}  // namespace consilium::data
