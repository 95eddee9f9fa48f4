#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "common/report/round_record.h"

namespace consilium::report {

/// A job's finished rounds, in order. Copies share the records, which never change. So a copy costs a pointer for each
/// round, and if two histories have the same pointer at a place, they have the same record there.
class History {
 public:
  using Record = std::shared_ptr<const RoundRecord>;

  class Iterator {
   public:
    using iterator_category = std::bidirectional_iterator_tag;
    using value_type = RoundRecord;
    using difference_type = std::ptrdiff_t;
    using pointer = const RoundRecord*;
    using reference = const RoundRecord&;

    Iterator() = default;
    explicit Iterator(std::vector<Record>::const_iterator at) : at_(at) {}
    reference operator*() const { return **at_; }
    pointer operator->() const { return at_->get(); }
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return Iterator(at_++); }
    Iterator& operator--() { return --at_, *this; }
    Iterator operator--(int) { return Iterator(at_--); }
    bool operator==(const Iterator&) const = default;

   private:
    std::vector<Record>::const_iterator at_;
  };

  History() = default;
  History(std::initializer_list<RoundRecord> records) {
    for (const RoundRecord& record : records) push_back(record);
  }

  void push_back(RoundRecord record) { records_.push_back(std::make_shared<const RoundRecord>(std::move(record))); }
  /// Replaces the record at a place; existing copies of the history keep theirs. @param place  below size()
  void replace(std::size_t place, RoundRecord record) {
    records_[place] = std::make_shared<const RoundRecord>(std::move(record));
  }
  void clear() { records_.clear(); }

  [[nodiscard]] std::size_t size() const { return records_.size(); }
  [[nodiscard]] bool empty() const { return records_.empty(); }
  [[nodiscard]] const RoundRecord& operator[](std::size_t place) const { return *records_[place]; }
  [[nodiscard]] const RoundRecord& at(std::size_t place) const { return *records_.at(place); }
  [[nodiscard]] const RoundRecord& front() const { return *records_.front(); }
  [[nodiscard]] const RoundRecord& back() const { return *records_.back(); }
  [[nodiscard]] Iterator begin() const { return Iterator(records_.begin()); }
  [[nodiscard]] Iterator end() const { return Iterator(records_.end()); }
  [[nodiscard]] auto rbegin() const { return std::make_reverse_iterator(end()); }
  [[nodiscard]] auto rend() const { return std::make_reverse_iterator(begin()); }

  /// Returns true if this history and another share the same record at a place. Compares only the pointers.
  [[nodiscard]] bool shares(std::size_t place, const History& other) const {
    return place < other.size() && records_[place] == other.records_[place];
  }
  bool operator==(const History& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

 private:
  std::vector<Record> records_;
};

}  // namespace consilium::report
