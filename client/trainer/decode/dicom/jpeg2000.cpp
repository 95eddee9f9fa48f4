#include "client/trainer/decode/dicom/jpeg2000.h"

#include <openjpeg.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace consilium::decode {

namespace {

template <auto Destroy>
struct Deleter {
  template <class T>
  void operator()(T* object) const {
    Destroy(object);
  }
};
using Stream = std::unique_ptr<opj_stream_t, Deleter<opj_stream_destroy>>;
using Codec = std::unique_ptr<opj_codec_t, Deleter<opj_destroy_codec>>;
using Image = std::unique_ptr<opj_image_t, Deleter<opj_image_destroy>>;

constexpr OPJ_SIZE_T kEnd = static_cast<OPJ_SIZE_T>(-1);

struct Source {
  Bytes bytes;
  std::size_t position = 0;
};

OPJ_SIZE_T read_bytes(void* target, OPJ_SIZE_T count, void* user) {
  auto* source = static_cast<Source*>(user);
  const std::size_t size = std::min(count, source->bytes.size() - source->position);
  if (size == 0) return kEnd;
  std::memcpy(target, source->bytes.data() + source->position, size);
  source->position += size;
  return size;
}

OPJ_OFF_T skip_bytes(OPJ_OFF_T count, void* user) {
  auto* source = static_cast<Source*>(user);
  if (count < 0) return -1;
  const std::size_t size = std::min(static_cast<std::size_t>(count), source->bytes.size() - source->position);
  source->position += size;
  return size == 0 && count > 0 ? -1 : static_cast<OPJ_OFF_T>(size);
}

OPJ_BOOL seek_to(OPJ_OFF_T position, void* user) {
  auto* source = static_cast<Source*>(user);
  if (position < 0 || static_cast<std::size_t>(position) > source->bytes.size()) return OPJ_FALSE;
  source->position = static_cast<std::size_t>(position);
  return OPJ_TRUE;
}

void ignore_message(const char* /*message*/, void* /*user*/) {}

tl::unexpected<Error> refuse_jpeg2000(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "DICOM pixel data, JPEG 2000: " + std::move(what));
}

Stream open(Source& source) {
  Stream stream(opj_stream_default_create(OPJ_TRUE));
  if (!stream) return stream;
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), source.bytes.size());
  opj_stream_set_read_function(stream.get(), read_bytes);
  opj_stream_set_skip_function(stream.get(), skip_bytes);
  opj_stream_set_seek_function(stream.get(), seek_to);
  return stream;
}

Result<Codec> make_codec(Bytes compressed) {
  const bool is_codestream = compressed.size() >= 2 && compressed[0] == 0xff && compressed[1] == 0x4f;
  Codec codec(opj_create_decompress(is_codestream ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  parameters.flags |= OPJ_DPARAMETERS_IGNORE_PCLR_CMAP_CDEF_FLAG;
  if (!codec || opj_setup_decoder(codec.get(), &parameters) == OPJ_FALSE) {
    return fail(ErrorCode::kResourceExhausted, "JPEG 2000: the decoder can't be made");
  }
  opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE);
  opj_set_error_handler(codec.get(), ignore_message, nullptr);
  opj_set_warning_handler(codec.get(), ignore_message, nullptr);
  opj_set_info_handler(codec.get(), ignore_message, nullptr);
  return codec;
}

Result<void> check(const opj_image_t& image, const ImageModule& module) {
  if (image.numcomps != static_cast<OPJ_UINT32>(module.samples)) {
    return refuse_jpeg2000(fmt::format("expected {} components, found {}", module.samples, image.numcomps));
  }
  for (const opj_image_comp_t& component : std::span(image.comps, image.numcomps)) {
    if (component.w != module.columns || component.h != module.rows) {
      return refuse_jpeg2000(
          fmt::format("expected {} x {} pixels, found {} x {}", module.columns, module.rows, component.w, component.h));
    }
    if (component.prec > module.bits_allocated) {
      return refuse_jpeg2000(
          fmt::format("found samples of {} bits, but {} are allocated", component.prec, module.bits_allocated));
    }
  }
  return {};
}

template <class T>
void take(const opj_image_t& image, std::span<std::uint8_t> frame) {
  const std::size_t count = frame.size() / sizeof(T) / image.numcomps;
  for (std::size_t channel = 0; channel < image.numcomps; ++channel) {
    const OPJ_INT32* from = image.comps[channel].data;
    for (std::size_t i = 0; i < count; ++i) {
      const T value = static_cast<T>(from[i]);
      std::memcpy(frame.data() + (i * image.numcomps + channel) * sizeof(T), &value, sizeof(T));
    }
  }
}

}  // namespace

Result<void> decode_jpeg2000(Bytes compressed, const ImageModule& module, std::span<std::uint8_t> frame) {
  Source source{compressed};
  const Stream stream = open(source);
  CONSILIUM_ASSIGN(const Codec codec, make_codec(compressed));
  opj_image_t* read = nullptr;
  if (!stream || opj_read_header(stream.get(), codec.get(), &read) == OPJ_FALSE)
    return refuse_jpeg2000("the header is broken");
  const Image image(read);
  CONSILIUM_TRY(check(*image, module));
  if (opj_decode(codec.get(), stream.get(), image.get()) == OPJ_FALSE) return refuse_jpeg2000("cut off or damaged");
  CONSILIUM_TRY(check(*image, module));
  for (const opj_image_comp_t& component : std::span(image->comps, image->numcomps)) {
    if (component.data == nullptr) return refuse_jpeg2000("a component is missing");
  }
  if (module.bits_allocated == 8) {
    take<std::uint8_t>(*image, frame);
  } else if (module.bits_allocated == 16) {
    take<std::uint16_t>(*image, frame);
  } else if (module.bits_allocated == 32) {
    take<std::uint32_t>(*image, frame);
  } else {
    return refuse_jpeg2000(fmt::format("samples of {} bits", module.bits_allocated));
  }
  return {};
}

}  // namespace consilium::decode
