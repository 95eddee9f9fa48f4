#include "client/trainer/data/array_reader.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

namespace consilium::data {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::size_t kChunkElements = 64 * 1024;

std::string text(const std::vector<std::uint64_t>& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

/// How an array's examples are laid out in comparison with the model's input.
enum class Match { kNone, kAsIs, kChannelsLast };

Match match(const std::vector<std::uint64_t>& shape, const std::vector<std::int64_t>& input) {
  std::vector<std::uint64_t> wanted;
  for (const std::int64_t dimension : input) wanted.push_back(static_cast<std::uint64_t>(dimension));
  const std::vector<std::uint64_t> example(shape.empty() ? shape.begin() : shape.begin() + 1, shape.end());
  if (shape.empty()) return Match::kNone;
  if (example == wanted) return Match::kAsIs;
  if (wanted.size() == 1)
    return example.size() == 2 && example[0] * example[1] == wanted[0] ? Match::kAsIs : Match::kNone;
  std::vector<std::uint64_t> last(wanted.begin() + 1, wanted.end());  // [H, W] or [D, H, W]
  if (wanted[0] == 1 && example == last) return Match::kAsIs;
  last.push_back(wanted[0]);
  if (example == last) return wanted[0] == 1 ? Match::kAsIs : Match::kChannelsLast;
  return Match::kNone;
}

/// Transposes each example from [H, W, C] to [C, H, W].
template <class T>
void channels_first(std::vector<T>& values, std::size_t channels, std::size_t pixels) {
  std::vector<T> example(channels * pixels);
  for (std::size_t begin = 0; begin < values.size(); begin += example.size()) {
    T* const target = values.data() + begin;
    std::copy_n(target, example.size(), example.data());
    for (std::size_t pixel = 0; pixel < pixels; ++pixel) {
      for (std::size_t channel = 0; channel < channels; ++channel)
        target[channel * pixels + pixel] = example[pixel * channels + channel];
    }
  }
}

Result<std::vector<float>> read_floats(ByteSource& source, std::size_t count) {
  std::vector<float> values(count);
  CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(values))));
  return values;
}

/// Reads elements of one type in pieces, and passes each to `take(index, element)`, which returns a Result<void>.
template <class T, class Take>
Result<void> for_each_element(ByteSource& source, std::size_t count, Take take) {
  std::vector<T> chunk(std::min(count, kChunkElements));
  for (std::size_t begin = 0; begin < count; begin += chunk.size()) {
    chunk.resize(std::min(chunk.size(), count - begin));
    CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(chunk))));
    for (std::size_t i = 0; i < chunk.size(); ++i) CONSILIUM_TRY(take(begin + i, chunk[i]));
  }
  return {};
}

Result<std::vector<float>> read_doubles(ByteSource& source, std::size_t count) {
  std::vector<float> values(count);
  CONSILIUM_TRY(for_each_element<double>(source, count, [&](std::size_t i, double value) -> Result<void> {
    values[i] = static_cast<float>(value);
    return {};
  }));
  return values;
}

Result<void> check_finite(const std::vector<float>& values, std::size_t example_size) {
  const auto found = std::find_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
  if (found == values.end()) return {};
  const auto index = static_cast<std::size_t>(found - values.begin());
  return refuse(fmt::format("example {} holds {}, expected finite float32 values", index / example_size, *found));
}

/// Reads integers below a limit. `noun` is the name of one of them in errors.
template <class T, class Out>
Result<void> read_integers_as(ByteSource& source, std::int64_t limit, std::string_view noun, std::vector<Out>& out) {
  return for_each_element<T>(source, out.size(), [&](std::size_t i, T value) -> Result<void> {
    if (std::cmp_less(value, 0) || std::cmp_greater_equal(value, limit)) {
      return refuse(fmt::format("{} {} is {}, expected 0 to {}", noun, i, value, limit - 1));
    }
    out[i] = static_cast<Out>(value);
    return {};
  });
}

template <class Out>
Result<std::vector<Out>> read_integers(ByteSource& source, const ArrayHeader& header, std::int64_t limit,
                                       std::string_view noun) {
  const std::size_t count =
      std::accumulate(header.shape.begin(), header.shape.end(), std::size_t{1}, std::multiplies<>());
  std::vector<Out> out(count);
  const auto read = [&]() -> Result<void> {
    switch (header.type) {
      case ElementType::kUint8:
        return read_integers_as<std::uint8_t>(source, limit, noun, out);
      case ElementType::kInt8:
        return read_integers_as<std::int8_t>(source, limit, noun, out);
      case ElementType::kUint16:
        return read_integers_as<std::uint16_t>(source, limit, noun, out);
      case ElementType::kInt16:
        return read_integers_as<std::int16_t>(source, limit, noun, out);
      case ElementType::kUint32:
        return read_integers_as<std::uint32_t>(source, limit, noun, out);
      case ElementType::kInt32:
        return read_integers_as<std::int32_t>(source, limit, noun, out);
      case ElementType::kUint64:
        return read_integers_as<std::uint64_t>(source, limit, noun, out);
      case ElementType::kInt64:
        return read_integers_as<std::int64_t>(source, limit, noun, out);
      case ElementType::kFloat32:
      case ElementType::kFloat64:
        break;
    }
    return refuse(fmt::format("expected integers, found {}", name_of(header.type)));
  };
  if (auto done = read(); !done) return fail(std::move(done).error());
  return out;
}

}  // namespace

std::uint64_t bytes_of(ElementType type) {
  constexpr std::array<std::uint64_t, 10> bytes{1, 1, 2, 2, 4, 4, 8, 8, 4, 8};
  return bytes[static_cast<std::size_t>(type)];
}

std::string_view name_of(ElementType type) {
  constexpr std::array<std::string_view, 10> names{"uint8", "int8",   "uint16", "int16",   "uint32",
                                                   "int32", "uint64", "int64",  "float32", "float64"};
  return names[static_cast<std::size_t>(type)];
}

Result<std::uint64_t> data_bytes(const ArrayHeader& header, std::uint64_t limit) {
  std::uint64_t bytes = bytes_of(header.type);
  if (std::find(header.shape.begin(), header.shape.end(), 0) != header.shape.end()) return 0;
  for (const std::uint64_t dimension : header.shape) {
    if (dimension > limit / bytes) {
      return fail(ErrorCode::kResourceExhausted,
                  fmt::format("declares a shape of {} of {}, which takes more than the {} bytes that are accepted",
                              text(header.shape), name_of(header.type), limit));
    }
    bytes *= dimension;
  }
  return bytes;
}

Result<Values> read_values(ByteSource& source, const ArrayHeader& header, const Dataset& dataset) {
  const Match layout = match(header.shape, dataset.shape);
  if (layout == Match::kNone) {
    return refuse(fmt::format(
        "expected a shape of N x [{}] (images also N x H x W, or N x H x W x C; volumes also N x D x H x W), found {}",
        fmt::join(dataset.shape, ", "), text(header.shape)));
  }
  const std::size_t count = header.shape[0] * dataset.example_size();
  const auto channels = static_cast<std::size_t>(dataset.shape[0]);
  const std::size_t pixels = dataset.example_size() / channels;
  if (header.type == ElementType::kUint8) {
    std::vector<std::uint8_t> values(count);
    CONSILIUM_TRY(source.read(std::as_writable_bytes(std::span(values))));
    if (layout == Match::kChannelsLast) channels_first(values, channels, pixels);
    return Values(std::move(values));
  }
  if (header.type != ElementType::kFloat32 && header.type != ElementType::kFloat64) {
    return refuse(fmt::format("expected uint8, float32 or float64, found {}", name_of(header.type)));
  }
  CONSILIUM_ASSIGN(std::vector<float> values,
                   header.type == ElementType::kFloat32 ? read_floats(source, count) : read_doubles(source, count));
  CONSILIUM_TRY(check_finite(values, dataset.example_size()));
  if (layout == Match::kChannelsLast) channels_first(values, channels, pixels);
  return Values(std::move(values));
}

Result<std::vector<std::uint16_t>> read_labels(ByteSource& source, const ArrayHeader& header, std::int64_t classes) {
  const bool column = header.shape.size() == 2 && header.shape[1] == 1;
  if (header.shape.size() != 1 && !column)
    return refuse(fmt::format("expected a shape of N or N x 1, found {}", text(header.shape)));
  return read_integers<std::uint16_t>(source, header, classes, "label");
}

bool has_columns(const ArrayHeader& labels) { return labels.shape.size() == 2 && labels.shape[1] > 1; }

Result<std::vector<std::uint8_t>> read_columns(ByteSource& source, const ArrayHeader& header) {
  return read_integers<std::uint8_t>(source, header, 2, "label");
}

Result<std::vector<std::uint8_t>> read_masks(ByteSource& source, const ArrayHeader& header, const Dataset& dataset) {
  const std::vector<std::uint64_t> sides(dataset.shape.begin() + 1, dataset.shape.end());
  const bool fits = !sides.empty() && header.shape.size() == sides.size() + 1 &&
                    std::equal(sides.begin(), sides.end(), header.shape.begin() + 1);
  if (!fits)
    return refuse(fmt::format("expected a mask for each image, N x {}, found {}", text(sides), text(header.shape)));
  return read_integers<std::uint8_t>(source, header, std::min<std::int64_t>(dataset.classes, 256), "pixel");
}

}  // namespace consilium::data
