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

/// What a site checks while the sites of a job agree on a key. Each check stands on a line of its own with its name, so
/// that scripts/remove_checks can take it away and see which test notices.
namespace consilium::secagg {

/// What the job says about an agreement; sites and coordinator take it from the job and never from each other.
struct AgreementSetup {
  crypto::Digest job{};                          ///< job_digest()
  std::uint32_t attempt = 1;                     ///< the try's number, from 1
  std::vector<std::vector<std::string>> groups;  ///< of the job, by index; names in order, each once
  std::uint32_t colluding = 1;                   ///< c
};

/// Refuses (kInvalidArgument) groups over which no sum is safe: none, fewer than 2c + 1 members, a name that stands
/// twice, more than 255 sites together, or c = 0.
Result<void> check_setup(const AgreementSetup& setup);

/// Returns the indices of the groups whose members are all among `names`, in order. Fails with kPermissionDenied
/// where a site of no group or a part of a group is among `names`.
Result<std::vector<std::uint32_t>> whole_groups(const AgreementSetup& setup, std::span<const std::string> names);

/// Before step 2: the adverts are those of whole groups of the job, more than half of its groups, this site's own among
/// them; each is signed by its site over this try, and no key is used twice. Fewer groups could never commit a round
/// (commit.h); and two different agreements of one job always share a group, whose honest members have one key at a
/// time.
/// @return the indices of the groups that take part
Result<std::vector<std::uint32_t>> check_agreement_adverts(const AgreementSetup& setup, const AgreementAdvert& own,
                                                           const AgreementAdvertList& list,
                                                           const Authenticator& authenticator);

/// Before step 3: there is a box of every other site, signed by it for this one. What is in the boxes is checked by
/// opening them.
Result<void> check_delivered_boxes(const DeliveredBoxes& delivered, const crypto::Digest& sites,
                                   const AgreementAdvertList& list, Rank self, const Authenticator& authenticator);

/// Before a number is published: a listed site has signed that this site's box doesn't fit this very commitment.
Result<void> check_accusation(const Accusation& accusation, const crypto::Digest& sites,
                              const AgreementAdvertList& list, Rank self, const crypto::Digest& commitment,
                              const Authenticator& authenticator);

/// Before a published number is taken: it was asked for, and it fits its sender's commitment.
/// @param asked        ranks that this site complained of, ascending
/// @param commitments  by rank
Result<void> check_openings(const Openings& openings, std::span<const Rank> asked,
                            std::span<const crypto::Digest> commitments, const crypto::Digest& sites,
                            const AgreementAdvertList& list);

/// The rank of the site whose part stands at `index` of a list that leaves out `self`; and the other way round.
[[nodiscard]] Rank other_rank(std::size_t index, Rank self);
[[nodiscard]] std::size_t index_of_other(Rank rank, Rank self);
/// The rank of a name; nullopt where it isn't listed.
[[nodiscard]] std::optional<Rank> rank_of(const AgreementAdvertList& list, const std::string& site);

}  // namespace consilium::secagg
