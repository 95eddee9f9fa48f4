#include <spdlog/fmt/fmt.h>

#include "coordinator/round/round_steps.h"

namespace consilium::round {

namespace {

constexpr std::size_t kMostListed = 8;

}  // namespace

std::string shorten(const std::string& text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // don't split a character
  return text.substr(0, end) + "...";
}

void ReasonList::add(const std::string& name, const std::string& reason) {
  if (++count_ > kMostListed) return;
  text_ += fmt::format("{}{}: {}", text_.empty() ? "" : "; ", name, shorten(reason, kMaxListedReason));
}

std::string ReasonList::text() const {
  return count_ > kMostListed ? fmt::format("{}; and {} more", text_, count_ - kMostListed) : text_;
}

}  // namespace consilium::round
