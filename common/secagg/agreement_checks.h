#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/agreement_messages.h"
#include "common/secagg/authenticator.h"

/// The checks that a site makes while the sites of a job agree on a key. Each check is on its own line, which also
/// carries its name, so that scripts/remove_checks can remove it and report which test fails.
namespace consilium::secagg {

/// Holds the parameters of an agreement. Sites and coordinator take them from the job, never from each other.
struct AgreementSetup {
  crypto::Digest job{};                          ///< job_digest()
  std::uint32_t attempt = 1;                     ///< number of the try, from 1
  std::vector<std::vector<std::string>> groups;  ///< the job's groups by index; names in order, each once
  std::uint32_t colluding = 1;                   ///< c
};

/// Checks that sums over these groups are safe. Fails with kInvalidArgument if there are no groups, if a group has
/// fewer than 2c + 1 members, if a name occurs twice, if there are more than 255 sites in total, or if c = 0.
Result<void> check_setup(const AgreementSetup& setup);

/// Returns the indices of the groups whose members are all in `names`, in order. Fails with kPermissionDenied if
/// `names` contains a site that is in no group, or only some of the members of a group.
Result<std::vector<std::uint32_t>> whole_groups(const AgreementSetup& setup, std::span<const std::string> names);

/// Checks the list of adverts before step 2. It must hold the adverts of whole groups of the job, of more than half of
/// the job's groups, and of this site's own group. Each advert must be signed by its site over this try, and no key may
/// be used twice. More than half of the groups are needed for two reasons. Fewer groups could never commit a round
/// (commit.h). And any two agreements of one job then share a group, whose honest members hold only one key at a time.
/// @return the indices of the groups that take part
Result<std::vector<std::uint32_t>> check_agreement_adverts(const AgreementSetup& setup, const AgreementAdvert& own,
                                                           const AgreementAdvertList& list,
                                                           const Authenticator& authenticator);

/// Checks the boxes before step 3: there must be one from every other site, signed by that site for this one. The
/// contents are checked when the boxes are opened.
Result<void> check_delivered_boxes(const DeliveredBoxes& delivered, const crypto::Digest& sites,
                                   const AgreementAdvertList& list, Rank self, const Authenticator& authenticator);

/// Checks a complaint before this site publishes its number: a listed site must have signed that this site's box
/// doesn't fit this very commitment.
Result<void> check_accusation(const Accusation& accusation, const crypto::Digest& sites,
                              const AgreementAdvertList& list, Rank self, const crypto::Digest& commitment,
                              const Authenticator& authenticator);

/// Checks published numbers before they are used: they must be those that this site asked for, all of them, and each
/// must fit its sender's commitment.
/// @param asked        ranks of the sites that this site complained about, ascending
/// @param commitments  by rank
Result<void> check_openings(const Openings& openings, std::span<const Rank> asked,
                            std::span<const crypto::Digest> commitments, const crypto::Digest& sites,
                            const AgreementAdvertList& list);

/// Converts between a rank and an index into a list that has an entry for every site but `self`.
[[nodiscard]] Rank other_rank(std::size_t index, Rank self);
[[nodiscard]] std::size_t index_of_other(Rank rank, Rank self);
/// Returns the rank of the site with this name, or nullopt if the list doesn't contain it.
[[nodiscard]] std::optional<Rank> rank_of(const AgreementAdvertList& list, const std::string& site);

}  // namespace consilium::secagg
