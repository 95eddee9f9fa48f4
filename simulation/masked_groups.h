#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/crypto/secret_bytes.h"
#include "common/error/error.h"
#include "common/files/temporary_folder.h"
#include "common/job/job_spec.h"
#include "common/job/round_order.h"
#include "common/secagg/agreement_site.h"
#include "common/secagg/commit.h"
#include "common/secagg/group_site.h"
#include "common/secagg/tag.h"
#include "common/wire/messages.h"
#include "coordinator/journal/blob_store.h"
#include "simulation/drop_plan.h"
#include "simulation/site_identities.h"

namespace consilium::simulation {

/// The sites' side of secure aggregation in mode `masked`, for simulated sites. Each site agrees on the job's key,
/// masks its vectors, and signs what follows from a total. Results that all sites compute from the same bytes (whether
/// a tag fits, which model follows, whether a commit is valid) are computed only once. Not thread-safe.
class MaskedGroups {
 public:
  /// @param spec        of a job in mode `masked`; its roster is ignored, because simulated sites have other keys
  /// @param identities  must outlive the object
  static Result<std::unique_ptr<MaskedGroups>> create(job::JobSpec spec, const SiteIdentities& identities,
                                                      DropPlan drops);

  /// Handles a step of the key agreement. @return the site's answer
  Result<std::vector<std::byte>> agree(const std::string& site, const wire::KeyAgreement& step);

  /// Draws which sites drop out in a round. A second call for the same round changes nothing.
  void open_round(std::uint32_t round, const std::vector<std::string>& cohort);
  /// Returns true if the site drops out at this step of an attempt. Each site that was drawn does so once in a round.
  /// It is back for the next attempt, as are the members of its group that were drawn for the same step.
  bool falls_silent(const std::string& site, const job::RoundOrder& order, secagg::Phase step);

  /// Begins the site's attempt at a sum. Fails with kPermissionDenied if the order names a model other than the
  /// committed one.
  /// @return the advert
  Result<std::vector<std::byte>> begin(const std::string& site, const job::SessionKey& key,
                                       const job::RoundOrder& order);
  /// Handles the adverts of all members. Ignores those of an attempt that is over.
  Result<void> receive(const std::string& site, const wire::Masking& step);
  /// Returns true if the site's masks of this attempt are agreed on and haven't been used yet.
  [[nodiscard]] bool keyed(const std::string& site, const job::SessionKey& key) const;
  /// Returns the order of the site's attempt, or nullptr if the site is now in another attempt.
  [[nodiscard]] const job::RoundOrder* order_of(const std::string& site, const job::SessionKey& key) const;
  /// Masks the site's only vector of an attempt. @return the masked tag
  Result<secagg::FieldElement> mask(const std::string& site, std::span<std::uint32_t> words, unsigned threads);

  /// Keeps a round's vector for the next attempt if a member of the group drops out before the upload.
  Result<void> keep(const std::string& site, const job::RoundOrder& order, std::span<const std::uint32_t> words);
  /// Returns the vector that the site has already computed for this sum, if any.
  [[nodiscard]] Result<std::optional<std::vector<std::uint32_t>>> kept(const std::string& site,
                                                                       const job::RoundOrder& order) const;

  /// Checks a total. Fails with kDataLoss if it isn't the true sum.
  /// @param blobs  holds the total's words and the last model
  Result<void> check(const std::string& site, const wire::GroupTotal& total, const journal::BlobStore& blobs);
  /// Signs what follows from the total that was checked last. @return the site's commit
  Result<std::vector<std::byte>> endorse(const std::string& site) const;
  /// Accepts a commit. Fails with kPermissionDenied if it lacks signatures or isn't what the sites have signed.
  Result<void> committed(const wire::RoundCommitted& commit);

 private:
  struct Attempt {
    job::SessionKey key;
    job::RoundOrder order;
    secagg::GroupSite site;
  };
  /// What a site's ledger would store about its group.
  struct Memory {
    std::uint64_t adverts = 0;
    std::vector<secagg::Seen> seen;  ///< of each other member
  };
  MaskedGroups(job::JobSpec spec, const SiteIdentities& identities, DropPlan drops, files::TemporaryFolder folder);
  [[nodiscard]] std::filesystem::path file_of(const std::string& site) const;
  Result<secagg::CommitStatement> statement_of(const std::string& site, const wire::GroupTotal& total,
                                               const journal::BlobStore& blobs) const;

  job::JobSpec spec_;
  crypto::Digest digest_;
  std::vector<std::vector<std::string>> groups_;
  const SiteIdentities& identities_;
  DropPlan plan_;
  files::TemporaryFolder folder_;  ///< holds kept vectors
  crypto::SystemRandom random_;

  std::map<std::string, std::pair<std::uint32_t, secagg::AgreementSite>> agreements_;  ///< with the number of the try
  std::map<std::string, crypto::SecretBytes> keys_;                                    ///< each site's K
  std::map<std::string, Attempt> attempts_;                                            ///< each site's latest attempt
  std::map<std::string, Memory> memories_;
  std::set<std::pair<std::string, crypto::Digest>> sent_;  ///< sites, and the cohorts with which they uploaded

  std::uint32_t round_ = 0;  ///< the round for which dropouts were drawn
  std::map<std::string, secagg::Phase> silent_;
  std::set<std::uint32_t> repeated_groups_;  ///< groups whose vectors are kept in this round

  crypto::Digest model_{};  ///< the last committed model
  std::optional<std::pair<wire::GroupTotal, secagg::CommitStatement>> checked_;
  std::vector<std::uint32_t> counted_;             ///< groups in the committed census, ascending
  std::optional<wire::RoundCommitted> committed_;  ///< the last commit
  std::optional<wire::RoundCommitted> census_;     ///< the census's commit
};

}  // namespace consilium::simulation
