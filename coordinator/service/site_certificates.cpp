#include "common/pki/own_certificate.h"
#include "coordinator/service/service_parts.h"

namespace consilium::service {
namespace {

constexpr std::time_t kSiteWarnedEvery = 86400;

}  // namespace

void SiteCertificates::note(const std::string& site, std::time_t end) {
  const std::lock_guard lock(mutex_);
  Known& known = sites_[site];
  if (known.end != end) known = {end, 0};
}

std::time_t SiteCertificates::end_of(const std::string& site) const {
  const std::lock_guard lock(mutex_);
  const auto found = sites_.find(site);
  return found == sites_.end() ? 0 : found->second.end;
}

std::map<std::string, std::string> SiteCertificates::warnings_due(std::time_t now) {
  std::map<std::string, std::string> warnings;
  const std::lock_guard lock(mutex_);
  for (auto& [site, known] : sites_) {
    if (known.end == 0 || (known.warned != 0 && now < known.warned + kSiteWarnedEvery)) continue;
    auto warning = pki::end_warning("the certificate of site " + site, known.end, now);
    if (!warning) continue;
    known.warned = now;
    warnings.emplace(site, *std::move(warning));
  }
  return warnings;
}

}  // namespace consilium::service
