#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/secagg/group_messages.h"

namespace consilium::masking {

/// What a site has recorded of one group.
struct GroupContent {
  std::vector<std::string> members;  ///< in order of name
  secagg::Seen own;                  ///< its own latest advert; number 0 where it has made none
  std::vector<secagg::Seen> seen;    ///< of each other member, in order of name, as its adverts say it
  bool operator==(const GroupContent&) const = default;
};

/// A job that a site has taken part in.
struct JobContent {
  crypto::Digest job{};
  std::string population;  ///< "": nothing has left for it
  std::uint32_t sums = 0;  ///< to which the site has given vectors in the groups that it shares with the reader
  bool operator==(const JobContent&) const = default;
};

/// What a site tells a member whose ledger was lost.
struct LedgerContent {
  std::vector<GroupContent> groups;  ///< each once, in order of members
  std::vector<JobContent> jobs;      ///< each once, in order of digest
  bool operator==(const LedgerContent&) const = default;
};

/// Adds jobs of which nothing else is recorded: those whose sites have agreed on a key.
void add_jobs(LedgerContent& content, const std::vector<crypto::Digest>& jobs);

/// What a site whose ledger was lost takes from the other members (GroupLedger::adopt).
struct Adoption {
  /// One advert, this site's own or another member's.
  struct Advert {
    std::vector<std::string> group;
    std::string site;
    secagg::Seen advert;
    bool operator==(const Advert&) const = default;
  };
  std::vector<Advert> own;     ///< under which a member says that it has uploaded
  std::vector<Advert> others;  ///< the latest of each other member, as that member says itself
  std::vector<JobContent> jobs;
  std::string reason;  ///< why the jobs are closed
};

}  // namespace consilium::masking
