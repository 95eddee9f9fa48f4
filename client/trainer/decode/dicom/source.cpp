#include "client/trainer/decode/dicom/source.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <string>
#include <utility>

#include "client/trainer/decode/dicom/attributes.h"

namespace consilium::decode {

Result<data::DicomSource> read_source(DcmItem& dataset, const std::vector<FramePlane>& planes,
                                      const std::vector<std::size_t>& order) {
  if (order.size() > data::kMaxSourceFrames)
    return fail(ErrorCode::kResourceExhausted,
                fmt::format("found {} frames, but a segmentation can be made of at most {}", order.size(),
                            data::kMaxSourceFrames));
  data::DicomSource source;
  for (const std::uint32_t tag : data::kDicomSourceTags) {
    const DcmTagKey key(static_cast<Uint16>(tag >> 16U), static_cast<Uint16>(tag & 0xFFFFU));
    CONSILIUM_ASSIGN(std::string text, read_text(dataset, key));
    std::ranges::replace_if(
        text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, ' ');
    if (!text.empty()) source.attributes.emplace(tag, std::move(text));
  }
  for (const std::size_t frame : order)
    source.frames.push_back({static_cast<std::uint32_t>(frame + 1), planes[frame].position});
  const auto& first = planes.front().orientation;
  const bool same = std::ranges::all_of(planes, [&](const FramePlane& one) { return one.orientation == first; });
  if (same) source.orientation = first;
  return source;
}

}  // namespace consilium::decode
