#include "client/trainer/decode/dicom/attributes.h"

#include <dcmtk/dcmdata/dcelem.h>
#include <dcmtk/dcmdata/dcsequen.h>
#include <dcmtk/dcmdata/dctag.h>
#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <cmath>

namespace consilium::decode {

namespace {

constexpr std::size_t kMaxTextBytes = 256;

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\0' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<double> parse_number(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

template <class Number, class Get>
std::optional<double> number_by(Get get) {
  Number value{};
  if (get(value).bad()) return std::nullopt;
  return static_cast<double>(value);
}

std::optional<double> number_at(DcmElement& element, unsigned long position) {
  switch (element.ident()) {
    case EVR_US:
      return number_by<Uint16>([&](Uint16& value) { return element.getUint16(value, position); });
    case EVR_SS:
      return number_by<Sint16>([&](Sint16& value) { return element.getSint16(value, position); });
    case EVR_UL:
    case EVR_up:
      return number_by<Uint32>([&](Uint32& value) { return element.getUint32(value, position); });
    case EVR_SL:
      return number_by<Sint32>([&](Sint32& value) { return element.getSint32(value, position); });
    case EVR_FL:
      return number_by<Float32>([&](Float32& value) { return element.getFloat32(value, position); });
    case EVR_FD:
      return number_by<Float64>([&](Float64& value) { return element.getFloat64(value, position); });
    default: {
      OFString text;
      if (element.getOFString(text, position).bad()) return std::nullopt;
      return parse_number({text.c_str(), text.length()});
    }
  }
}

/// Returns the element if it exists and has a value, else nullptr.
DcmElement* find(DcmItem& item, const DcmTagKey& key) {
  DcmElement* element = nullptr;
  if (item.findAndGetElement(key, element).bad() || element == nullptr || element->getLength() == 0) return nullptr;
  return element;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80                    ? 1
                               : first >= 0xC2 && first < 0xE0 ? 2
                               : first >= 0xE0 && first < 0xF0 ? 3
                               : first >= 0xF0 && first < 0xF5 ? 4
                                                               : 0;
    if (length == 0 || length > text.size() - i) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80) return false;
    }
    if (length == 3) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second >= 0xA0)) return false;
    }
    if (length == 4) {
      const auto second = static_cast<unsigned char>(text[i + 1]);
      if ((first == 0xF0 && second < 0x90) || (first == 0xF4 && second >= 0x90)) return false;
    }
    i += length;
  }
  return true;
}

std::string from_latin1(std::string_view text) {
  std::string utf8;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      utf8.push_back(c);
    } else {
      utf8.push_back(static_cast<char>(0xC0 | (byte >> 6)));
      utf8.push_back(static_cast<char>(0x80 | (byte & 0x3F)));
    }
  }
  return utf8;
}

}  // namespace

std::string name_of(const DcmTagKey& key) {
  DcmTag tag(key);
  return fmt::format("({:04x},{:04x}) {}", key.getGroup(), key.getElement(), tag.getTagName());
}

Result<std::vector<double>> read_numbers(DcmItem& item, const DcmTagKey& key, std::size_t max_count) {
  std::vector<double> numbers;
  DcmElement* element = find(item, key);
  if (element == nullptr) return numbers;
  const unsigned long count = element->getVM();
  if (count > max_count) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected at most {} values, found {}", name_of(key), max_count, count));
  }
  for (unsigned long i = 0; i < count; ++i) {
    const std::optional<double> number = number_at(*element, i);
    if (!number || !std::isfinite(*number)) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("DICOM {}: value {} isn't a number", name_of(key), i + 1));
    }
    numbers.push_back(*number);
  }
  return numbers;
}

Result<std::optional<double>> read_number(DcmItem& item, const DcmTagKey& key) {
  CONSILIUM_ASSIGN(const std::vector<double> numbers, read_numbers(item, key, 1));
  if (numbers.empty()) return std::optional<double>();
  return std::optional<double>(numbers.front());
}

Result<std::int64_t> read_integer(DcmItem& item, const DcmTagKey& key, std::int64_t least, std::int64_t most,
                                  std::int64_t otherwise) {
  CONSILIUM_ASSIGN(const std::optional<double> number, read_number(item, key));
  if (!number) return otherwise;
  if (std::trunc(*number) != *number || *number < static_cast<double>(least) || *number > static_cast<double>(most)) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("DICOM {}: expected an integer from {} to {}, found {}",
                                                         name_of(key), least, most, *number));
  }
  return static_cast<std::int64_t>(*number);
}

Result<std::string> read_text(DcmItem& item, const DcmTagKey& key) {
  DcmElement* element = find(item, key);
  OFString text;
  if (element == nullptr || element->getOFString(text, 0).bad()) return std::string();
  const std::string_view plain = trimmed({text.c_str(), text.length()});
  std::string utf8 = is_utf8(plain) ? std::string(plain) : from_latin1(plain);
  if (utf8.size() > kMaxTextBytes) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("DICOM {}: expected at most {} bytes, found {}", name_of(key), kMaxTextBytes, utf8.size()));
  }
  return utf8;
}

std::vector<DcmItem*> read_items(DcmItem& item, const DcmTagKey& key) {
  std::vector<DcmItem*> items;
  DcmSequenceOfItems* sequence = nullptr;
  if (item.findAndGetSequence(key, sequence).bad() || sequence == nullptr) return items;
  DcmObject* next = nullptr;
  while ((next = sequence->nextInContainer(next)) != nullptr) items.push_back(static_cast<DcmItem*>(next));
  return items;
}

DcmItem* first_item(DcmItem* item, const DcmTagKey& key) {
  DcmItem* found = nullptr;
  if (item == nullptr || item->findAndGetSequenceItem(key, found, 0).bad()) return nullptr;
  return found;
}

}  // namespace consilium::decode
