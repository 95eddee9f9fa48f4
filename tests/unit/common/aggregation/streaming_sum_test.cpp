#include "common/aggregation/streaming_sum.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/catch.h"

using namespace consilium;
using namespace consilium::aggregation;

namespace {

encoding::VectorLayout some_layout(std::uint64_t parameters) {
  return encoding::VectorLayout::create({encoding::fixed_point_field("parameters.0", parameters, 16.0),
                                         encoding::fixed_point_field("loss", 1, 1024.0),
                                         encoding::count_field("examples", 1, 0xFFFFFFFF)})
      .value();
}

/// Claims to have `claimed` words and delivers `held`.
class BrokenSource final : public WordSource {
 public:
  BrokenSource(std::uint64_t claimed, std::uint64_t held) : claimed_(claimed), held_(held) {}
  [[nodiscard]] std::uint64_t word_count() const override { return claimed_; }
  Result<void> read(std::span<std::uint32_t> words) override {
    if (words.size() > held_) return fail(ErrorCode::kDataLoss, "the spool file ends early");
    held_ -= words.size();
    std::fill(words.begin(), words.end(), 1u);
    return {};
  }

 private:
  std::uint64_t claimed_;
  std::uint64_t held_;
};

}  // namespace

TEST_CASE("a vector of the wrong size is refused and leaves the sum as it was") {
  auto sum = StreamingSum::create(some_layout(100)).value();
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{102}, std::uint64_t{104}, ~std::uint64_t{0}}) {
    BrokenSource source(size, size);
    const auto folded = sum.fold(source);
    REQUIRE_FALSE(folded.has_value());
    CHECK(folded.error().code == ErrorCode::kInvalidArgument);
  }
  CHECK(sum.intact());
  CHECK(sum.contributors() == 0);
  CHECK(std::all_of(sum.words().begin(), sum.words().end(), [](std::uint32_t word) { return word == 0; }));
}

TEST_CASE("a source that breaks off at its first piece does no harm; one that breaks off later spoils the sum") {
  auto sum = StreamingSum::create(some_layout(40000)).value();
  BrokenSource empty(sum.layout().word_count(), 0);
  CHECK(sum.fold(empty).error().code == ErrorCode::kDataLoss);
  CHECK(sum.intact());
  BrokenSource half(sum.layout().word_count(), 20000);
  CHECK(sum.fold(half).error().code == ErrorCode::kDataLoss);
  CHECK_FALSE(sum.intact());
  CHECK(sum.contributors() == 0);
  BrokenSource whole(sum.layout().word_count(), sum.layout().word_count());
  CHECK_FALSE(sum.fold(whole).has_value());
  CHECK_FALSE(sum.counts("examples").has_value());
  CHECK_FALSE(sum.decode_parameters(1.0).has_value());
}

TEST_CASE("the mean delta takes the sum's memory, in the manifest's order") {
  const std::uint64_t size = GENERATE(std::uint64_t{1}, std::uint64_t{40001});
  auto sum = StreamingSum::create(some_layout(size)).value();
  std::vector<std::uint32_t> words(sum.layout().word_count());
  for (std::size_t i = 0; i < size; ++i) words[i] = static_cast<std::uint32_t>(-static_cast<std::int32_t>(i) * 1024);
  words[size] = 3u << 20;
  words[size + 1] = 7;
  for (int site = 0; site < 2; ++site) {
    MemoryWords source(words);
    REQUIRE(sum.fold(source).has_value());
  }
  CHECK(sum.contributors() == 2);
  CHECK(sum.values("loss", 1.0).value() == std::vector<float>{6.0f});
  CHECK(sum.counts("examples").value() == std::vector<std::uint64_t>{14});
  const void* memory = sum.words().data();
  const auto mean = sum.decode_parameters(0.5).value();
  CHECK(static_cast<const void*>(mean.data()) == memory);
  REQUIRE(mean.size() == size);
  for (std::size_t i = 0; i < size; ++i) REQUIRE(mean[i] == -static_cast<float>(i) * 4096.0f / 67108864.0f);
  CHECK_FALSE(sum.decode_parameters(0.5).has_value());
  CHECK_FALSE(sum.counts("examples").has_value());
}

TEST_CASE("a sum is not divided by zero, infinity or NaN, nor asked for fields it doesn't have") {
  auto sum = StreamingSum::create(some_layout(3)).value();
  for (const double divisor : {0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    CHECK_FALSE(sum.decode_parameters(divisor).has_value());
  }
  CHECK_FALSE(sum.counts("loss").has_value());
  CHECK_FALSE(sum.values("examples", 1.0).has_value());
  CHECK_FALSE(sum.counts("nothing").has_value());
}

TEST_CASE("a sum takes the memory of one that is over, as zeros, where the sizes agree") {
  const std::vector<std::uint32_t> words(some_layout(40000).word_count(), 5);
  auto former = StreamingSum::create(some_layout(40000)).value();
  MemoryWords source(words);
  REQUIRE(former.fold(source).has_value());
  REQUIRE(former.decode_parameters(1.0).has_value());
  const void* memory = former.words().data();
  const bool same_size = GENERATE(true, false);
  auto sum = StreamingSum::create(some_layout(same_size ? 40000 : 30000), std::move(former)).value();
  if (same_size) CHECK(static_cast<const void*>(sum.words().data()) == memory);
  CHECK(sum.intact());
  CHECK(sum.contributors() == 0);
  CHECK(std::all_of(sum.words().begin(), sum.words().end(), [](std::uint32_t word) { return word == 0; }));
}
