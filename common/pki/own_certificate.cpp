#include "common/pki/own_certificate.h"

#include <utility>

#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "common/pki/authority.h"
#include "common/pki/index.h"
#include "common/pki/trust.h"

namespace consilium::pki {
namespace {

constexpr std::time_t kWarnAgainAfter = 86400;

}  // namespace

std::optional<std::string> end_warning(const std::string& whose, std::time_t end, std::time_t now) {
  if (end > now + kWarnBeforeEnd) return std::nullopt;
  const bool over = end <= now;
  return whose + (over ? " ended " : " ends ") + to_iso(end) +
         (over ? "; nobody accepts it any more" : ", and nobody accepts it after that") +
         ": have the consortium's certificate authority sign the same request again (consilium ca sign), and replace "
         "the old file with the new one";
}

OwnCertificate::OwnCertificate(std::filesystem::path certificate, std::filesystem::path key,
                               std::function<std::time_t()> clock)
    : certificate_(std::move(certificate)), key_(std::move(key)), clock_(std::move(clock)) {
  take();
}

std::optional<std::string> OwnCertificate::warning_due() {
  const auto pem = files::read_file(certificate_, crypto::kMaxPemBytes);
  if (!pem) return std::nullopt;  // it may be about to be written
  const auto end = end_of_certificate(*pem);
  if (!end) return std::nullopt;
  const std::time_t now = clock_();
  const auto warning = end_warning(certificate_.string() + ": this certificate", *end, now);
  if (!warning || (*warning == last_warning_ && now < last_warned_ + kWarnAgainAfter)) return std::nullopt;
  last_warning_ = *warning;
  last_warned_ = now;
  return warning;
}

bool OwnCertificate::renewed() const {
  const auto pem = files::read_file(certificate_, crypto::kMaxPemBytes);
  return pem && *pem != in_use_ && check_key_pair(certificate_, key_).has_value();
}

void OwnCertificate::take() {
  const auto pem = files::read_file(certificate_, crypto::kMaxPemBytes);
  if (!pem) return;
  in_use_ = *pem;
  end_ = end_of_certificate(*pem).value_or(0);
}

}  // namespace consilium::pki
