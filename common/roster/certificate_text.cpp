#include "common/roster/certificate_text.h"

#include <cstddef>

namespace consilium::roster {
namespace {

constexpr std::string_view kPemBegin = "-----BEGIN CERTIFICATE-----\n";
constexpr std::string_view kPemEnd = "-----END CERTIFICATE-----\n";
constexpr std::size_t kPemLine = 64;

}  // namespace

std::string pem_of(const std::string& base64) {
  std::string pem(kPemBegin);
  for (std::size_t at = 0; at < base64.size(); at += kPemLine) pem.append(base64, at, kPemLine).append("\n");
  return pem.append(kPemEnd);
}

Result<std::string> base64_of(std::string_view pem) {
  const std::size_t begin = pem.find(kPemBegin);
  const std::size_t end = begin == std::string_view::npos ? begin : pem.find(kPemEnd, begin);
  if (end == std::string_view::npos) return fail(ErrorCode::kInvalidArgument, "expected a certificate in PEM");
  std::string body;
  for (const char c : pem.substr(begin + kPemBegin.size(), end - begin - kPemBegin.size())) {
    if (c != '\n' && c != '\r') body += c;
  }
  return body;
}

}  // namespace consilium::roster
