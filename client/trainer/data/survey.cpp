#include "client/trainer/data/survey.h"

#include <algorithm>
#include <set>
#include <span>

#include "client/trainer/data/parallel.h"
#include "client/trainer/data/volume.h"
#include "common/crypto/sha256.h"

namespace consilium::data {
namespace {

/// The content of one item.
struct Seen {
  std::optional<Error> unreadable;
  std::vector<std::int64_t> shape;
  std::array<double, 3> spacing{};
  bool has_spacing = false;
  Range values;
  crypto::Digest digest{};
  std::map<std::size_t, std::uint64_t> classes;  ///< number of pixels or boxes of each class; 1 for a class or label
};

void digest_pixels(const DecodedImage& image, Seen& seen) {
  crypto::Sha256 hash;
  hash.update(std::as_bytes(std::span(image.shape)));
  std::visit(
      [&](const auto& pixels) {
        hash.update(std::as_bytes(std::span(pixels)));
        if (pixels.empty()) return;
        const auto [low, high] = std::minmax_element(pixels.begin(), pixels.end());
        seen.values.add(static_cast<double>(*low));
        seen.values.add(static_cast<double>(*high));
      },
      image.pixels);
  seen.digest = hash.finish();
}

Result<void> count_target(const Collection& collection, const Item& item, const std::optional<double>& threshold,
                          const DecodedImage& image, Seen& seen) {
  if (const auto* label = std::get_if<ClassLabel>(&item.target)) seen.classes[label->value] = 1;
  if (const auto* labels = std::get_if<LabelVector>(&item.target)) {
    for (std::size_t i = 0; i < labels->values.size(); ++i)
      if (labels->values[i] != 0) seen.classes[i] = 1;
  }
  if (const auto* boxes = std::get_if<Boxes>(&item.target))
    for (const Box& box : boxes->boxes) ++seen.classes[box.label];
  if (!std::holds_alternative<MaskFile>(item.target)) return {};
  CONSILIUM_ASSIGN(const DecodedImage decoded, collection.images->mask(item, {}));
  const Sides sides = image.shape.size() == 3 ? Sides{1, image.shape[1], image.shape[2]}
                                              : Sides{image.shape[1], image.shape[2], image.shape[3]};
  CONSILIUM_ASSIGN(const Mask mask, to_mask(decoded, threshold, sides));
  for (const std::uint8_t value : mask.classes) ++seen.classes[value];
  return {};
}

Seen look_at(const Collection& collection, const Item& item, const trainer::DataSource& source) {
  Seen seen;
  const auto image = collection.images->image(item, {});
  if (!image) {
    seen.unreadable = image.error();
    return seen;
  }
  seen.shape = image->shape;
  seen.spacing = image->spacing;
  seen.has_spacing = image->has_spacing;
  digest_pixels(*image, seen);
  if (const auto counted = count_target(collection, item, source.labels.threshold, *image, seen); !counted)
    seen.unreadable = counted.error();
  return seen;
}

/// Adds to an entry of a list of counts, which grows as needed.
void add_to(std::vector<std::uint64_t>& counts, std::size_t index, std::uint64_t count) {
  if (counts.size() <= index) counts.resize(index + 1, 0);
  counts[index] += count;
}

}  // namespace

void Range::add(double value) {
  low = seen ? std::min(low, value) : value;
  high = seen ? std::max(high, value) : value;
  seen = true;
}

Survey survey(const Collection& collection, const trainer::DataSource& source, unsigned threads) {
  std::vector<Seen> seen(collection.items.size());
  for_each_index(seen.size(), threads,
                 [&](std::size_t i) { seen[i] = look_at(collection, collection.items[i], source); });
  Survey result;
  result.kind = collection.kind;
  result.classes = collection.classes;
  result.left_out = collection.left_out;
  std::array<std::set<std::string>, 3> patients;
  std::map<crypto::Digest, std::size_t> first;
  const bool parts = collection.kind == TargetKind::kMask || collection.kind == TargetKind::kBoxes;
  for (std::size_t i = 0; i < seen.size(); ++i) {
    const Item& item = collection.items[i];
    if (seen[i].unreadable) {
      result.left_out.push_back({item.id, seen[i].unreadable->message, false});
      continue;
    }
    const auto which = static_cast<std::size_t>(item.split == job::Split::kTrain ? 0
                                                : item.split == job::Split::kVal ? 1
                                                                                 : 2);
    Survey::Split& split = result.splits[which];
    ++split.items;
    patients[which].insert(item.patient.empty() ? "file " + item.id : "patient " + item.patient);
    for (const auto& [index, count] : seen[i].classes) {
      add_to(split.class_items, index, 1);
      if (parts) add_to(split.class_parts, index, count);
    }
    ++result.shapes[seen[i].shape];
    for (std::size_t axis = 0; axis < 3 && seen[i].has_spacing; ++axis) result.spacing[axis].add(seen[i].spacing[axis]);
    result.without_spacing += seen[i].has_spacing ? 0 : 1;
    result.values.add(seen[i].values.low);
    result.values.add(seen[i].values.high);
    const std::size_t other = first.emplace(seen[i].digest, i).first->second;
    if (other != i)
      result.equal.push_back({collection.items[other].id, item.id, collection.items[other].split != item.split});
  }
  for (std::size_t i = 0; i < 3; ++i) result.splits[i].patients = patients[i].size();
  return result;
}

}  // namespace consilium::data
