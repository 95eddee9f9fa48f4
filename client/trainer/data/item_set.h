#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/trainer/data/collection.h"
#include "client/trainer/data/item_cache.h"
#include "client/trainer/data/prepare.h"
#include "client/trainer/protocol/data_source.h"
#include "common/error/error.h"

namespace consilium::data {

/// One example of a split: an item, one of its planes, or a patch of either.
struct ExampleKey {
  std::uint32_t item = 0;
  std::uint32_t plane = 0;
  std::uint32_t patch = 0;
};

/// A data set that was opened for a model. Every file was read once, unreadable files are left out, the targets fit the
/// model, and each patient is in only one split. Immutable once it is open, except for its cache; thread-safe.
class ItemSet {
 public:
  /// Opens a data set. Fails with kInvalidArgument if more of its files are unreadable than `loading.unreadable`
  /// allows, or if a target doesn't fit `classes`. Errors and notes name files and are only for the people at the site.
  /// @param scratch  holds prepared images beyond `loading.cache`; null: these are read again when they are needed
  /// @param atlas    provides the last channels of the model's input; null: none
  static Result<std::shared_ptr<const ItemSet>> open(const trainer::DataSource& source,
                                                     const std::vector<std::int64_t>& input, std::int64_t classes,
                                                     std::shared_ptr<ImageDecoder> decoder,
                                                     std::shared_ptr<ScratchFile> scratch = nullptr,
                                                     std::shared_ptr<const Atlas> atlas = nullptr);

  /// Returns what a model trains on: patches if `preprocess.patches` says so, else whole items or planes.
  [[nodiscard]] const std::vector<ExampleKey>& examples(job::Split split) const;
  /// Returns what a model is evaluated on: the same as examples(), but whole items or planes if are_windowed().
  [[nodiscard]] const std::vector<ExampleKey>& cases(job::Split split) const;
  /// Returns true if examples are patches and targets are masks. Evaluation then covers whole images with overlapping
  /// windows of the patch size (sliding-window inference).
  [[nodiscard]] bool are_windowed() const { return preparation_.has_patches() && kind() == TargetKind::kMask; }
  [[nodiscard]] const Item& item(const ExampleKey& key) const { return collection_.items[key.item]; }
  [[nodiscard]] TargetKind kind() const { return collection_.kind; }
  [[nodiscard]] const Preparation& preparation() const { return preparation_; }
  [[nodiscard]] const trainer::DataSource& source() const { return source_; }
  /// Returns the number of training examples of each class or with each label. A patch counts for every class in its
  /// whole image.
  [[nodiscard]] const std::vector<std::uint64_t>& class_examples() const { return class_examples_; }
  [[nodiscard]] const Scale& site_scale() const { return scale_; }
  /// Returns what was left out or looks wrong, for the site's log: unreadable files, and equal images in two splits.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// Returns an example before patches are cut and augmentation is applied, from the cache or from disk.
  [[nodiscard]] Result<PreparedItem> prepared(const ExampleKey& key) const;

 private:
  struct Checked;

  ItemSet(trainer::DataSource source, Collection collection, Preparation preparation,
          std::shared_ptr<ScratchFile> scratch)
      : source_(std::move(source)),
        collection_(std::move(collection)),
        preparation_(std::move(preparation)),
        cache_(source_.loading.cache_bytes, std::move(scratch)) {}
  Result<void> check(std::int64_t classes);
  Checked check_one(std::size_t item, std::int64_t classes) const;
  Result<void> count_unreadable(std::size_t unreadable, const std::string& first) const;
  void note_equal(const std::vector<Checked>& checked);
  void measure(const std::vector<Checked>& checked);

  trainer::DataSource source_;
  Collection collection_;
  Preparation preparation_;
  Scale scale_;
  std::vector<std::uint64_t> class_examples_;
  std::array<std::vector<ExampleKey>, 3> examples_, whole_;  ///< by split
  std::vector<std::string> notes_;
  mutable ItemCache cache_;
};

}  // namespace consilium::data
