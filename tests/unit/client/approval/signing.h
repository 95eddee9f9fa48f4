#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "common/job/job_signature.h"
#include "common/job/job_text.h"
#include "common/pki/authority.h"
#include "common/pki/signer.h"
#include "common/pki/trust.h"
#include "common/wire/messages.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::approval {

inline const std::string kHub = "spiffe://lung/coordinator/hub";
/// The clock of tests, in seconds since 1970.
inline constexpr std::int64_t kNow = 1'800'000'000;

/// A consortium's authority and its researchers, with real certificates: ada, bob, and mallory, who isn't on the
/// roster.
class Signing {
 public:
  Signing() {
    for (const char* name : {"ada", "bob", "eve", "grace", "mallory"}) enroll(name);
    roster.erase("mallory");
  }

  [[nodiscard]] job::JobSignature sign(const std::string& researcher, const crypto::Digest& digest,
                                       std::int64_t not_after = kNow + 3600,
                                       const std::string& coordinator = kHub) const {
    const Person& person = people_.at(researcher);
    return job::sign_job(*person.signer, person.certificate, coordinator, digest, not_after).value();
  }
  [[nodiscard]] wire::JobOffer offer(const std::string& job_id, const job::JobSpec& job,
                                     const std::string& researcher = "ada") const {
    return {job_id, job::canonical_text(job), sign(researcher, job::job_digest(job))};
  }
  void revoke(const std::string& researcher) { REQUIRE(authority_.revoke(pki::Role::kResearcher, researcher)); }

 private:
  struct Person {
    std::string certificate;
    std::unique_ptr<pki::Signer> signer;
  };

  void enroll(const std::string& name) {
    const auto file = folder_ / (name + ".key");
    const pki::Identity identity{"lung", pki::Role::kResearcher, name};
    const std::string request = pki::create_key_and_request(file, identity).value();
    std::string certificate = authority_.sign(request, identity, {}, std::chrono::hours(1)).value();
    roster[name] = crypto::digest_from_hex(pki::key_fingerprint(certificate).value()).value();
    people_[name] = {std::move(certificate), pki::make_file_signer(file).value()};
  }

  pki::TemporaryFolder folder_;
  pki::Authority authority_ = pki::Authority::create(folder_ / "ca", "lung", std::chrono::days(10)).value();
  std::map<std::string, Person> people_;

 public:
  std::map<std::string, crypto::Digest> roster;
  std::shared_ptr<const pki::TrustStore> trust =
      pki::TrustStore::open(authority_.root_certificate(), authority_.revocation_list()).value();
};

/// Shared by all tests that revoke nobody, because generating keys takes time.
inline const Signing& signing() {
  static const Signing one;
  return one;
}

}  // namespace consilium::approval
