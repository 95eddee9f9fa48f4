#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/secagg/group_messages.h"

namespace consilium::masking {

/// What a site has recorded about one group.
struct GroupContent {
  std::vector<std::string> members;  ///< in order of name
  secagg::Seen own;                  ///< its own latest advert; number 0 if it has made none
  /// The latest advert of each other member, in order of name, as this site's adverts state them.
  std::vector<secagg::Seen> seen;
  bool operator==(const GroupContent&) const = default;
};

/// A job that a site has taken part in.
struct JobContent {
  crypto::Digest job{};
  std::string population;  ///< "": the site has sent nothing for it
  /// The number of sums that the site has given vectors to in the groups that it shares with the reader.
  std::uint32_t sums = 0;
  bool operator==(const JobContent&) const = default;
};

/// What a site tells a member that has lost its ledger.
struct LedgerContent {
  std::vector<GroupContent> groups;  ///< without duplicates, in order of members
  std::vector<JobContent> jobs;      ///< without duplicates, in order of digest
  bool operator==(const LedgerContent&) const = default;
};

/// Adds jobs that have no other record: those whose sites have agreed on a key.
void add_jobs(LedgerContent& content, const std::vector<crypto::Digest>& jobs);

/// What a site that has lost its ledger adopts from the other members (GroupLedger::adopt).
struct Adoption {
  /// One advert, from this site or another member.
  struct Advert {
    std::vector<std::string> group;
    std::string site;
    secagg::Seen advert;
    bool operator==(const Advert&) const = default;
  };
  std::vector<Advert> own;     ///< this site's adverts that other members say they uploaded alongside
  std::vector<Advert> others;  ///< the latest advert of each other member, as that member states it
  std::vector<JobContent> jobs;
  std::string reason;  ///< why the jobs are closed
};

}  // namespace consilium::masking
