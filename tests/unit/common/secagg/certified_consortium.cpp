#include "tests/unit/common/secagg/certified_consortium.h"

#include <utility>

namespace consilium::secagg {

CertifiedConsortium::CertifiedConsortium(std::size_t sites)
    : authority_(pki::Authority::create(folder_ / "ca", "lung", std::chrono::days{10}).value()) {
  for (std::size_t site = 0; site < sites; ++site) {
    Fresh made = fresh_key(name(site));
    certificates_.push_back(certify(made.request, name(site)));
    requests_.push_back(std::move(made.request));
    key_files_.push_back(std::move(made.key_file));
    signers_.push_back(std::move(made.signer));
    const std::string fingerprint = pki::key_fingerprint(certificates_.back()).value();
    roster_[name(site)] = crypto::digest_from_hex(fingerprint).value();
  }
  trust_ = pki::TrustStore::open(authority_.root_certificate(), authority_.revocation_list()).value();
  authenticator_ = std::make_unique<RosterAuthenticator>(trust_, roster_);
}

RosterAuthenticator CertifiedConsortium::authenticator_with(job::Roster roster) const {
  return {trust_, std::move(roster)};
}

CertifiedConsortium::Fresh CertifiedConsortium::fresh_key(const std::string& name) {
  const auto file = folder_ / (name + "-" + std::to_string(++fresh_keys_) + ".key");
  std::string request = pki::create_key_and_request(file, {"lung", pki::Role::kSite, name}).value();
  return {file, std::move(request), pki::make_file_signer(file).value()};
}

std::string CertifiedConsortium::certify(const std::string& request, const std::string& name,
                                         std::chrono::seconds validity) {
  return authority_.sign(request, {"lung", pki::Role::kSite, name}, {}, validity).value();
}

}  // namespace consilium::secagg
