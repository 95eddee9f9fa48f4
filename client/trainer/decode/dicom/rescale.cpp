#include "client/trainer/decode/dicom/rescale.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "client/trainer/decode/pixel_values.h"

namespace consilium::decode {

namespace {

/// Extracts stored values from samples: bits_stored bits below high_bit, with their sign.
class StoredValues {
 public:
  explicit StoredValues(const ImageModule& module)
      : down_(static_cast<unsigned>(module.high_bit + 1 - module.bits_stored)),
        unused_(static_cast<unsigned>(64 - module.bits_stored)),
        signed_(module.is_signed) {}

  [[nodiscard]] std::int64_t operator()(std::uint32_t sample) const {
    const std::uint64_t up = (std::uint64_t{sample} >> down_) << unused_;
    return signed_ ? static_cast<std::int64_t>(up) >> unused_ : static_cast<std::int64_t>(up >> unused_);
  }

 private:
  unsigned down_;
  unsigned unused_;
  bool signed_;
};

/// Calls take(frame, stored value) for each sample, in the order of the output.
template <class Sample, class Take>
void visit(const Frames& frames, const std::vector<std::size_t>& order, Take take) {
  const ImageModule& module = frames.module;
  const auto pixels = static_cast<std::size_t>(module.pixels());
  const auto samples = static_cast<std::size_t>(module.samples);
  const std::size_t step = module.planar ? 1 : samples;
  const StoredValues stored(module);
  for (std::size_t channel = 0; channel < samples; ++channel) {
    for (const std::size_t frame : order) {
      std::size_t next = frame * pixels * samples + (module.planar ? channel * pixels : channel);
      for (std::size_t i = 0; i < pixels; ++i, next += step) {
        Sample sample;
        std::memcpy(&sample, frames.bytes.data() + next * sizeof(Sample), sizeof(Sample));
        take(frame, stored(sample));
      }
    }
  }
}

template <class Take>
void visit_any(const Frames& frames, const std::vector<std::size_t>& order, Take take) {
  switch (frames.module.bits_allocated) {
    case 16:
      return visit<std::uint16_t>(frames, order, take);
    case 32:
      return visit<std::uint32_t>(frames, order, take);
    default:
      return visit<std::uint8_t>(frames, order, take);
  }
}

struct Range {
  double least = std::numeric_limits<double>::infinity();
  double most = -std::numeric_limits<double>::infinity();

  void take(double value) {
    least = std::min(least, value);
    most = std::max(most, value);
  }
};

bool is_whole(const Rescale& rescale) {
  return std::trunc(rescale.slope) == rescale.slope && std::trunc(rescale.intercept) == rescale.intercept;
}

/// Maps stored values to modality values, for one frame.
class Meaning {
 public:
  Meaning(const ImageModule& module, const Modality& modality)
      : modality_(modality), turned_(static_cast<std::int64_t>(module.least() + module.most())) {}

  [[nodiscard]] double operator()(std::size_t frame, std::int64_t stored) const {
    if (modality_.table) {
      const double value = (*modality_.table)(stored);
      return modality_.inverted ? std::ldexp(1.0, modality_.table->bits) - 1.0 - value : value;
    }
    const std::int64_t value = modality_.inverted ? turned_ - stored : stored;
    const Rescale& rescale = modality_.frames.size() == 1 ? modality_.frames.front() : modality_.frames[frame];
    return static_cast<double>(value) * rescale.slope + rescale.intercept;
  }

 private:
  const Modality& modality_;
  std::int64_t turned_;
};

Element choose_element(const Frames& frames, const Modality& modality, const Meaning& meaning,
                       const std::vector<std::size_t>& order) {
  if (modality.table) return modality.table->bits == 8 ? Element::kUint8 : Element::kUint16;
  if (!std::ranges::all_of(modality.frames, is_whole)) return Element::kFloat32;
  Range range;
  for (std::size_t frame = 0; frame < modality.frames.size(); ++frame) {
    range.take(meaning(frame, static_cast<std::int64_t>(frames.module.least())));
    range.take(meaning(frame, static_cast<std::int64_t>(frames.module.most())));
  }
  const Element by_bits = element_for(range.least, range.most);
  if (by_bits != Element::kFloat32) return by_bits;
  Range found;
  visit_any(frames, order, [&](std::size_t frame, std::int64_t stored) { found.take(meaning(frame, stored)); });
  constexpr auto kLimit = static_cast<double>(std::numeric_limits<std::int32_t>::max());
  return found.least >= -kLimit && found.most <= kLimit ? Element::kInt32 : Element::kFloat32;
}

}  // namespace

Result<data::Pixels> rescaled(const Frames& frames, const Modality& modality, const std::vector<std::size_t>& order,
                              const data::DecodeOptions& options) {
  const Meaning meaning(frames.module, modality);
  const Element element = choose_element(frames, modality, meaning, order);
  CONSILIUM_ASSIGN(const std::size_t count,
                   checked_count({frames.module.samples, static_cast<std::int64_t>(order.size()), frames.module.rows,
                                  frames.module.columns},
                                 bytes_of(element), options));
  data::Pixels pixels = make_pixels(element, count);
  std::visit(
      [&](auto& values) {
        using Value = typename std::decay_t<decltype(values)>::value_type;
        auto next = values.begin();
        visit_any(frames, order, [&](std::size_t frame, std::int64_t stored) {
          *next++ = static_cast<Value>(meaning(frame, stored));
        });
      },
      pixels);
  return pixels;
}

Result<void> turn_into_rgb(Frames& frames) {
  ImageModule& module = frames.module;
  if (module.bits_allocated != 8)
    return fail(ErrorCode::kInvalidArgument, "DICOM: YBR of other than 8 bits can't be read");
  const auto pixels = static_cast<std::size_t>(module.pixels());
  const std::size_t step = module.planar ? 1 : 3;
  const std::size_t apart = module.planar ? pixels : 1;
  const auto rounded = [](double value) {
    return static_cast<std::uint8_t>(std::clamp(std::floor(value + 0.5), 0.0, 255.0));
  };
  for (std::size_t frame = 0; frame < static_cast<std::size_t>(module.frames); ++frame) {
    std::uint8_t* y = frames.bytes.data() + frame * pixels * 3;
    for (std::size_t i = 0; i < pixels; ++i, y += step) {
      std::uint8_t& cb = y[apart];
      std::uint8_t& cr = y[2 * apart];
      const double luminance = *y;
      const double blue = cb - 128.0;
      const double red = cr - 128.0;
      *y = rounded(luminance + 1.402 * red);
      cb = rounded(luminance - (0.114 * 1.772 / 0.587) * blue - (0.299 * 1.402 / 0.587) * red);
      cr = rounded(luminance + 1.772 * blue);
    }
  }
  module.photometric = Photometric::kRgb;
  return {};
}

}  // namespace consilium::decode
