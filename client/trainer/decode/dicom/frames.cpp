#include "client/trainer/decode/dicom/frames.h"

#include <dcmtk/dcmdata/dccodec.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dcpixel.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dcxfer.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>

#include "client/trainer/decode/dicom/jpeg2000.h"

namespace consilium::decode {

namespace {

tl::unexpected<Error> refuse_frames(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "DICOM pixel data: " + std::move(what));
}

/// The sizes in bytes of all frames, as Frames holds them and as the file does if they aren't compressed.
struct Sizes {
  std::uint64_t frame = 0;
  std::uint64_t all = 0;
  std::uint64_t stored = 0;
};

Result<Sizes> sizes_of(const ImageModule& module, const data::DecodeOptions& options) {
  const auto pixels = static_cast<std::uint64_t>(module.pixels());
  const auto frames = static_cast<std::uint64_t>(module.frames);
  const std::uint64_t sample_bytes =
      module.bits_allocated == 1 ? 1 : static_cast<std::uint64_t>(module.bits_allocated) / 8;
  Sizes sizes;
  sizes.frame = pixels * static_cast<std::uint64_t>(module.samples) * sample_bytes;
  sizes.all = sizes.frame * frames;  // at most 2^32 * 12 * 10^6, which 64 bits hold
  sizes.stored = sizes.all;
  if (module.bits_allocated == 1) sizes.stored = (pixels * frames + 7) / 8;
  if (module.photometric == Photometric::kYbrFull422) sizes.stored = pixels * 2 * sample_bytes * frames;
  if (sizes.all > options.max_bytes) {
    return fail(
        ErrorCode::kResourceExhausted,
        fmt::format("the image's pixels take {} bytes, more than the limit of {}", sizes.all, options.max_bytes));
  }
  return sizes;
}

void unpack_bits(const std::uint8_t* packed, std::vector<std::uint8_t>& bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = (packed[i / 8] >> (i % 8)) & 1U;
}

/// Expands Y Y Cb Cr of two neighbouring pixels to Y Cb Cr of each.
void spread_422(const std::uint8_t* stored, std::vector<std::uint8_t>& bytes) {
  for (std::size_t pair = 0; 6 * pair + 6 <= bytes.size(); ++pair) {
    const std::uint8_t* from = stored + 4 * pair;
    const std::array<std::uint8_t, 6> to{from[0], from[2], from[3], from[1], from[2], from[3]};
    std::copy(to.begin(), to.end(), bytes.begin() + static_cast<std::ptrdiff_t>(6 * pair));
  }
}

/// DCMTK swaps the bytes of each 16-bit word; in 32-bit samples the words must be exchanged too.
void exchange_words(std::vector<std::uint8_t>& bytes) {
  for (std::size_t i = 0; i + 4 <= bytes.size(); i += 4) {
    std::swap(bytes[i], bytes[i + 2]);
    std::swap(bytes[i + 1], bytes[i + 3]);
  }
}

Result<const std::uint8_t*> native_bytes(DcmElement& element, const ImageModule& module) {
  if (module.bits_allocated <= 8) {
    Uint8* bytes = nullptr;
    if (element.getUint8Array(bytes).good() && bytes != nullptr) return static_cast<const std::uint8_t*>(bytes);
  } else {
    Uint16* words = nullptr;
    if (element.getUint16Array(words).good() && words != nullptr) return reinterpret_cast<const std::uint8_t*>(words);
  }
  return refuse_frames("can't be read as numbers of BitsAllocated bits");
}

Result<void> read_native(DcmDataset& dataset, DcmElement& element, const Sizes& sizes, Frames& frames) {
  const ImageModule& module = frames.module;
  if (element.getLength() < sizes.stored) {
    return refuse_frames(
        fmt::format("cut off: the header declares {} bytes, but the file has {}", sizes.stored, element.getLength()));
  }
  if (module.photometric == Photometric::kYbrFull422 && (module.bits_allocated != 8 || module.pixels() % 2 != 0)) {
    return refuse_frames("YBR_FULL_422 can only be read with an even number of pixels of 8 bits");
  }
  CONSILIUM_ASSIGN(const std::uint8_t* stored, native_bytes(element, module));
  frames.bytes.resize(sizes.all);
  if (module.bits_allocated == 1) {
    unpack_bits(stored, frames.bytes);
  } else if (module.photometric == Photometric::kYbrFull422) {
    spread_422(stored, frames.bytes);
    frames.module.planar = false;
  } else {
    std::memcpy(frames.bytes.data(), stored, sizes.all);
    if (module.bits_allocated == 32 && dataset.getOriginalXfer() == EXS_BigEndianExplicit) exchange_words(frames.bytes);
  }
  return {};
}

/// Collects the fragments of one frame's compressed bytes.
Result<std::vector<std::uint8_t>> compressed_frame(DcmPixelSequence& sequence, std::int64_t frame,
                                                   std::int64_t frames) {
  const auto cards = static_cast<Uint32>(sequence.card());
  Uint32 first = 1;
  Uint32 behind = cards;
  const auto start_of = [&](std::int64_t number, Uint32& item) {
    return DcmCodec::determineStartFragment(static_cast<Uint32>(number), static_cast<Sint32>(frames), &sequence, item);
  };
  if (frames > 1) {
    if (start_of(frame, first).bad() || (frame + 1 < frames && start_of(frame + 1, behind).bad()) || first == 0 ||
        behind <= first || behind > cards) {
      return refuse_frames(fmt::format("the compressed bytes of frame {} can't be found", frame + 1));
    }
  }
  std::vector<std::uint8_t> bytes;
  for (Uint32 i = first; i < behind; ++i) {
    DcmPixelItem* item = nullptr;
    Uint8* part = nullptr;
    if (sequence.getItem(item, i).bad() || item == nullptr) return refuse_frames("a fragment can't be read");
    if (item->getLength() == 0) continue;
    if (item->getUint8Array(part).bad() || part == nullptr) return refuse_frames("a fragment can't be read");
    bytes.insert(bytes.end(), part, part + item->getLength());
  }
  return bytes;
}

bool is_jpeg2000(E_TransferSyntax syntax) { return syntax == EXS_JPEG2000LosslessOnly || syntax == EXS_JPEG2000; }

Result<void> read_jpeg2000(DcmPixelData& pixel_data, E_TransferSyntax syntax, const Sizes& sizes, Frames& frames) {
  DcmPixelSequence* sequence = nullptr;
  if (pixel_data.getEncapsulatedRepresentation(syntax, nullptr, sequence).bad() || sequence == nullptr) {
    return refuse_frames("no compressed frames");
  }
  frames.bytes.resize(sizes.all);
  for (std::int64_t frame = 0; frame < frames.module.frames; ++frame) {
    CONSILIUM_ASSIGN(const auto compressed, compressed_frame(*sequence, frame, frames.module.frames));
    const auto target = std::span(frames.bytes).subspan(static_cast<std::size_t>(frame) * sizes.frame, sizes.frame);
    CONSILIUM_TRY(decode_jpeg2000(compressed, frames.module, target));
  }
  frames.module.planar = false;
  if (frames.module.samples == 3) frames.module.photometric = Photometric::kRgb;
  return {};
}

/// Returns true if DCMTK's decoder of this syntax gives samples pixel by pixel, whatever PlanarConfiguration says. The
/// RLE decoder follows the attribute.
bool gives_pixels(E_TransferSyntax syntax) { return syntax != EXS_RLELossless; }

Result<void> read_compressed(DcmDataset& dataset, DcmPixelData& pixel_data, E_TransferSyntax syntax, const Sizes& sizes,
                             Frames& frames) {
  frames.bytes.resize(sizes.all + 1);  // DCMTK requires an even number of bytes
  const std::uint64_t buffer_bytes = sizes.frame + sizes.frame % 2;
  if (buffer_bytes > UINT32_MAX) return refuse_frames("a frame of 4 GiB or more can't be read");
  Uint32 next_fragment = 0;
  OFString colours;
  for (std::int64_t frame = 0; frame < frames.module.frames; ++frame) {
    std::uint8_t* target = frames.bytes.data() + static_cast<std::size_t>(frame) * sizes.frame;
    // If a frame's size is odd, the extra byte is overwritten by the next frame's first.
    const OFCondition done =
        pixel_data.getUncompressedFrame(&dataset, static_cast<Uint32>(frame), next_fragment, target,
                                        static_cast<Uint32>(buffer_bytes), colours, nullptr);
    if (done.bad()) {
      return refuse_frames(fmt::format("frame {} can't be uncompressed from {}: {}", frame + 1,
                                       DcmXfer(syntax).getXferName(), done.text()));
    }
  }
  frames.bytes.resize(sizes.all);
  if (gives_pixels(syntax)) frames.module.planar = false;
  if (frames.module.samples == 3) {
    if (colours == "RGB") frames.module.photometric = Photometric::kRgb;
    if (frames.module.photometric == Photometric::kYbrFull422) frames.module.photometric = Photometric::kYbrFull;
  }
  return {};
}

}  // namespace

Result<Frames> read_frames(DicomFile& file, const ImageModule& module, const data::DecodeOptions& options) {
  DcmDataset& dataset = file.dataset();
  CONSILIUM_ASSIGN(const Sizes sizes, sizes_of(module, options));
  DcmElement* element = nullptr;
  if (dataset.findAndGetElement(DCM_PixelData, element).bad() || element == nullptr) {
    return refuse_frames("missing: the file holds no pixels, or is cut off before them");
  }
  Frames frames{module, {}};
  const E_TransferSyntax syntax = file.syntax();
  auto* pixel_data = dynamic_cast<DcmPixelData*>(element);
  if (!is_encapsulated(syntax)) {
    CONSILIUM_TRY(read_native(dataset, *element, sizes, frames));
  } else if (pixel_data == nullptr) {
    return refuse_frames("not in the form of its transfer syntax");
  } else if (is_jpeg2000(syntax)) {
    CONSILIUM_TRY(read_jpeg2000(*pixel_data, syntax, sizes, frames));
  } else {
    CONSILIUM_TRY(read_compressed(dataset, *pixel_data, syntax, sizes, frames));
  }
  return frames;
}

}  // namespace consilium::decode
