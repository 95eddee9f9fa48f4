#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/secagg/group_coordinator.h"
#include "common/secagg/group_site.h"
#include "common/secagg/tag.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {

struct GroupBenchSetup {
  std::uint32_t colluding = 1;
  crypto::Digest context = crypto::sha256("a group's attempt");
  std::uint32_t group = 0;
  std::size_t words = 8;
  std::uint64_t seed = 1;
  /// The vectors of the sites; drawn from the seed if empty.
  std::vector<std::vector<std::uint32_t>> vectors;
  /// Rules that a site sets for itself before it starts.
  std::function<void(std::size_t site, GroupSiteSetup&)> adjust;
};

/// A site's upload: its vector and its tag, both masked.
struct GroupUpload {
  std::vector<std::uint32_t> words;
  FieldElement tag = 0;
};

/// One attempt of a whole group in memory, whose members are all sites of a consortium. Every message is encoded and
/// decoded on its way. Lists wait in each site's inbox until a test delivers them.
class GroupBench {
 public:
  /// @param consortium  must outlive the object
  GroupBench(const Consortium& consortium, GroupBenchSetup setup);
  GroupBench(const GroupBench&) = delete;
  GroupBench& operator=(const GroupBench&) = delete;

  [[nodiscard]] GroupCoordinator& coordinator() { return coordinator_; }
  [[nodiscard]] GroupSite& site(std::size_t site) { return sites_[site]; }
  [[nodiscard]] std::size_t size() const { return sites_.size(); }
  [[nodiscard]] SeededRandom& random() { return random_; }
  [[nodiscard]] const crypto::Digest& context() const { return setup_.context; }

  /// Delivers a site's advert to the coordinator as its bytes, and the coordinator's answers to the inboxes.
  GroupOutput advertise(std::size_t site);
  GroupOutput send(std::size_t site, const GroupAdvert& advert);
  void advertise_all();
  /// Returns the list that the coordinator sent to a site. Throws if it sent none.
  [[nodiscard]] GroupAdvertList list(std::size_t site) const { return inbox_.at(site); }
  [[nodiscard]] bool has_list(std::size_t site) const { return inbox_.contains(site); }
  /// Delivers a list as its bytes. The error is the decoder's or the site's.
  Result<void> deliver(std::size_t site, const GroupAdvertList& list);
  /// Takes a site's masks, and masks its vector and its tag with them.
  GroupUpload upload(std::size_t site);

  [[nodiscard]] const std::vector<std::uint32_t>& vector(std::size_t site) const { return setup_.vectors[site]; }
  /// Returns the sum of the plain vectors.
  [[nodiscard]] std::vector<std::uint32_t> plain_sum() const;
  /// K, r and, for one attempt, s.
  [[nodiscard]] const crypto::SecretBytes& key() const { return key_; }
  [[nodiscard]] crypto::SecretBytes root() const;
  [[nodiscard]] crypto::SecretBytes offset(const crypto::Digest& cohort) const;

 private:
  GroupBenchSetup setup_;
  SeededRandom random_;
  crypto::SecretBytes key_;
  GroupCoordinator coordinator_;
  std::vector<GroupSite> sites_;
  std::map<std::size_t, GroupAdvertList> inbox_;
};

/// Adds up uploads, as the coordinator does.
GroupUpload add_up(const std::vector<GroupUpload>& uploads);

/// Signs an advert as its site would, whatever its content.
void sign(const Consortium& consortium, std::size_t site, GroupAdvert& advert, const crypto::Digest& context);

}  // namespace consilium::secagg
