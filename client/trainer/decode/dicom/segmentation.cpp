#include "client/trainer/decode/dicom/segmentation.h"

#include <dcmtk/dcmdata/dcdeftag.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "client/trainer/decode/dicom/frames.h"
#include "client/trainer/decode/dicom/geometry.h"
#include "client/trainer/decode/pixel_values.h"

namespace consilium::decode {

namespace {

constexpr const char* kSegmentation = "1.2.840.10008.5.1.4.1.1.66.4";
constexpr const char* kLabelMap = "1.2.840.10008.5.1.4.1.1.66.7";
constexpr std::int64_t kMaxSegments = 65535;
constexpr double kSamePosition = 1e-3;  // mm

enum class Kind { kBinary, kFractional, kLabelMap };

/// The meaning of a segmentation's frames, and their positions.
struct Layout {
  Kind kind = Kind::kBinary;
  double whole = 1.0;                      ///< the stored value of the fraction 1
  std::vector<std::int64_t> segments;      ///< segment numbers, in the order of the list
  std::vector<std::size_t> frame_segment;  ///< an index into segments for each frame; empty for label maps
  std::vector<std::size_t> frame_slice;
  std::vector<FramePlane> slices;  ///< all slices, including those without frames
};

tl::unexpected<Error> refuse_segmentation(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "DICOM segmentation: " + std::move(what));
}

Result<Kind> kind_of(DcmItem& dataset) {
  CONSILIUM_ASSIGN(const std::string class_uid, read_text(dataset, DCM_SOPClassUID));
  CONSILIUM_ASSIGN(const std::string type, read_text(dataset, DCM_SegmentationType));
  if (class_uid == kLabelMap || type == "LABELMAP") return Kind::kLabelMap;
  if (type == "BINARY") return Kind::kBinary;
  if (type == "FRACTIONAL") return Kind::kFractional;
  return refuse_segmentation("expected the type BINARY, FRACTIONAL or LABELMAP, found another one or none");
}

Result<void> read_segments(DcmItem& dataset, Layout& layout) {
  for (DcmItem* item : read_items(dataset, DCM_SegmentSequence)) {
    CONSILIUM_ASSIGN(const std::int64_t number, read_integer(*item, DCM_SegmentNumber, 0, kMaxSegments, -1));
    if (number < 0) return refuse_segmentation("a segment without a number");
    layout.segments.push_back(number);
  }
  if (layout.segments.empty()) return refuse_segmentation("it lists no segments");
  return {};
}

Result<void> read_frame_segments(const FrameItems& items, std::size_t frames, Layout& layout) {
  for (std::size_t frame = 0; frame < frames; ++frame) {
    DcmItem* item = items.find_in_groups(frame, DCM_SegmentIdentificationSequence);
    std::int64_t number = layout.segments.size() == 1 ? layout.segments.front() : -1;
    if (item != nullptr) {
      CONSILIUM_ASSIGN(number, read_integer(*item, DCM_ReferencedSegmentNumber, 0, kMaxSegments, number));
    }
    const auto found = std::ranges::find(layout.segments, number);
    if (found == layout.segments.end()) {
      return refuse_segmentation(fmt::format("frame {} names a segment that isn't in the list", frame + 1));
    }
    layout.frame_segment.push_back(static_cast<std::size_t>(found - layout.segments.begin()));
  }
  return {};
}

/// Assigns a slice to each distinct position, and inserts empty slices into the gaps between them. Fails if the
/// distances aren't multiples of the smallest one.
Result<void> arrange(const std::vector<FramePlane>& planes, Layout& layout) {
  std::vector<std::size_t> by_place(planes.size());
  std::iota(by_place.begin(), by_place.end(), std::size_t{0});
  std::vector<double> places;
  for (const FramePlane& plane : planes) {
    if (!plane.position || !plane.orientation) return refuse_segmentation("a frame has no position");
    places.push_back(place_along_normal(plane));
  }
  std::ranges::stable_sort(by_place, {}, [&places](std::size_t i) { return places[i]; });
  double step = 0.0;
  for (std::size_t i = 1; i < by_place.size(); ++i) {
    const double distance = places[by_place[i]] - places[by_place[i - 1]];
    if (distance > kSamePosition && (step == 0.0 || distance < step)) step = distance;
  }
  const double lowest = places[by_place.front()];
  layout.frame_slice.resize(planes.size());
  std::size_t slices = 1;
  for (const std::size_t frame : by_place) {
    const double index = step == 0.0 ? 0.0 : (places[frame] - lowest) / step;
    if (std::abs(index - std::round(index)) > 0.1 || index > 65535.0) {
      return refuse_segmentation("the frames don't have equal distances");
    }
    layout.frame_slice[frame] = static_cast<std::size_t>(std::round(index));
    slices = std::max(slices, layout.frame_slice[frame] + 1);
  }
  layout.slices.resize(slices, planes[by_place.front()]);
  const std::size_t last = by_place.back();
  for (std::size_t slice = 1; slice < slices; ++slice) {
    const double share = static_cast<double>(slice) / static_cast<double>(slices - 1);
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const double from = (*planes[by_place.front()].position)[axis];
      (*layout.slices[slice].position)[axis] = from + share * ((*planes[last].position)[axis] - from);
    }
  }
  return {};
}

Result<Layout> read_layout(DcmItem& dataset, const ImageModule& module) {
  Layout layout;
  const FrameItems items(dataset);
  CONSILIUM_ASSIGN(layout.kind, kind_of(dataset));
  CONSILIUM_TRY(read_segments(dataset, layout));
  CONSILIUM_ASSIGN(const std::vector<FramePlane> planes, read_planes(dataset, items, module));
  CONSILIUM_TRY(arrange(planes, layout));
  if (layout.kind != Kind::kLabelMap) {
    CONSILIUM_TRY(read_frame_segments(items, planes.size(), layout));
  }
  if (layout.kind == Kind::kFractional) {
    CONSILIUM_ASSIGN(const std::int64_t whole, read_integer(dataset, DCM_MaximumFractionalValue, 1, 255, 255));
    layout.whole = static_cast<double>(whole);
  }
  return layout;
}

/// Calls take(channel, index in the channel, stored value) for each pixel of each frame.
template <class Take>
Result<void> visit(const Frames& frames, const Layout& layout, Take take) {
  const auto pixels = static_cast<std::size_t>(frames.module.pixels());
  const bool wide = frames.module.bits_allocated == 16;
  for (std::size_t frame = 0; frame < layout.frame_slice.size(); ++frame) {
    const std::size_t channel = layout.frame_segment.empty() ? 0 : layout.frame_segment[frame];
    for (std::size_t i = 0; i < pixels; ++i) {
      std::uint16_t value = 0;
      if (wide) {
        std::memcpy(&value, frames.bytes.data() + 2 * (frame * pixels + i), 2);
      } else {
        value = frames.bytes[frame * pixels + i];
      }
      CONSILIUM_TRY(take(channel, layout.frame_slice[frame] * pixels + i, value));
    }
  }
  return {};
}

/// Returns one channel of segment numbers. A label map's stored values are the labels themselves.
template <class Label>
Result<data::Pixels> as_labels(const Frames& frames, const Layout& layout, std::size_t count) {
  std::vector<Label> labels(count);
  CONSILIUM_TRY(visit(frames, layout, [&](std::size_t channel, std::size_t place, std::uint16_t value) -> Result<void> {
    if (layout.kind == Kind::kLabelMap) {
      labels[place] = static_cast<Label>(value);
      return {};
    }
    if (2.0 * value < layout.whole) return {};
    const auto number = static_cast<Label>(layout.segments[channel]);
    if (labels[place] != 0 && labels[place] != number) {
      return refuse_segmentation(
          fmt::format("segments {} and {} overlap, so no single label can describe both; read the file as masks",
                      labels[place], number));
    }
    labels[place] = number;
    return {};
  }));
  return data::Pixels(std::move(labels));
}

template <class Value>
Result<data::Pixels> as_masks(const Frames& frames, const Layout& layout, std::size_t count) {
  std::vector<Value> masks(count);
  const std::size_t channel_size = count / layout.segments.size();
  const double whole = layout.kind == Kind::kFractional ? layout.whole : 1.0;
  CONSILIUM_TRY(visit(frames, layout, [&](std::size_t channel, std::size_t place, std::uint16_t value) -> Result<void> {
    if (value > whole)
      return refuse_segmentation(fmt::format("found a value of {}, expected at most {}", value, whole));
    masks[channel * channel_size + place] = static_cast<Value>(value / whole);
    return {};
  }));
  return data::Pixels(std::move(masks));
}

}  // namespace

bool is_segmentation(DcmItem& dataset) {
  const auto class_uid = read_text(dataset, DCM_SOPClassUID);
  return class_uid && (*class_uid == kSegmentation || *class_uid == kLabelMap);
}

Result<data::DecodedImage> decode_segmentation(DicomFile& file, const ImageModule& module,
                                               const data::DecodeOptions& options) {
  if (module.samples != 1 || module.bits_allocated > 16)
    return refuse_segmentation("expected one sample of at most 16 bits per pixel");
  CONSILIUM_ASSIGN(const Layout layout, read_layout(file.dataset(), module));
  const bool labels = options.labels || layout.kind == Kind::kLabelMap;
  data::DecodedImage image;
  image.shape = {labels ? 1 : static_cast<std::int64_t>(layout.segments.size()),
                 static_cast<std::int64_t>(layout.slices.size()), module.rows, module.columns};
  place_image(layout.slices, image);
  const bool wide = module.bits_allocated == 16 || *std::ranges::max_element(layout.segments) > 255;
  const std::size_t bytes = labels ? (wide ? 2 : 1) : layout.kind == Kind::kFractional ? 4 : 1;
  CONSILIUM_ASSIGN(const std::size_t count, checked_count(image.shape, bytes, options));
  if (options.header_only) return image;
  CONSILIUM_ASSIGN(const Frames frames, read_frames(file, module, options));
  if (labels) {
    CONSILIUM_ASSIGN(image.pixels, wide ? as_labels<std::uint16_t>(frames, layout, count)
                                        : as_labels<std::uint8_t>(frames, layout, count));
  } else if (layout.kind == Kind::kFractional) {
    CONSILIUM_ASSIGN(image.pixels, as_masks<float>(frames, layout, count));
  } else {
    CONSILIUM_ASSIGN(image.pixels, as_masks<std::uint8_t>(frames, layout, count));
  }
  return image;
}

}  // namespace consilium::decode
