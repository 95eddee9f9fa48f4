#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "common/secagg/group_transcript.h"
#include "tests/unit/common/secagg/group_bench.h"

/// A hostile coordinator with a colluding site drives two attempts of a group of four at will. Each site has two
/// sessions that know nothing of one another (as after a crash). An honest coordinator beside it receives whatever the
/// sites send. An oracle checks:
///
/// - no two vectors of an honest site are sent under one mask, in one session or in two, and two honest sites hold a
///   mask with opposite signs;
/// - masks are used only after a list of exactly the members with the site's own advert, all signed for this attempt,
///   all keys different; once; and never after a refusal;
/// - the honest coordinator's phase never goes back, it lists only adverts that every honest member accepts, and if all
///   members send a vector under its list, the sum is the plain one and its tag fits.
namespace consilium::secagg {
namespace {

constexpr std::size_t kSites = 4;
constexpr std::size_t kColluder = 3;
using Key = std::vector<std::uint8_t>;

void require(bool holds) {
  if (!holds) std::abort();
}

const QuickConsortium& consortium() {
  static const QuickConsortium four(kSites);
  return four;
}

/// What the oracle knows of one site in one session.
struct Session {
  bool keyed = false, taken = false, left = false;
  std::optional<GroupUpload> upload;
};

class Run {
 public:
  explicit Run(std::span<const std::uint8_t> input) : input_(input) {
    GroupBenchSetup second;
    second.seed = 2;
    if (next() % 2 == 0) second.context = crypto::sha256("another attempt");
    benches_.emplace_back(consortium(), GroupBenchSetup{});
    benches_.emplace_back(consortium(), second);
  }

  void play() {
    while (!input_.empty()) {
      const std::uint8_t event = next() % 8;
      const std::uint8_t target = next();
      happen(event, target / kSites % 2, target % kSites);
      for (std::size_t attempt = 0; attempt < 2; ++attempt) watch(attempt);
    }
    for (std::size_t attempt = 0; attempt < 2; ++attempt) add_up_all(attempt);
  }

 private:
  std::uint8_t next() {
    if (input_.empty()) return 0;
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }

  void happen(int event, std::size_t attempt, std::size_t site) {
    GroupBench& bench = benches_[attempt];
    switch (event) {
      case 0:
        return hear(bench.advertise(site));
      case 1:
        return advertise_lie(attempt, site);
      case 2:
        if (bench.has_list(site)) deliver(attempt, site, bench.list(site));
        return;
      case 3:
        return deliver(attempt, site, craft(attempt));
      case 4:
        return deliver_changed(attempt, site);
      case 5:
        return take_masks(attempt, site);
      case 6:
        if (!said_.empty()) deliver(attempt, site, said_[next() % said_.size()]);
        return;
      default:
        if (next() % 2 == 0) {
          hear(bench.coordinator().lose(Consortium::name(site)));
        } else {
          hear(bench.coordinator().close_phase());
        }
    }
  }

  /// Handles the honest coordinator's message. Every honest member accepts its list.
  void hear(const GroupOutput& output) {
    require(output.messages.empty() || output.messages.size() == kSites);
    for (const auto& [name, list] : output.messages) require(encode(list) == encode(output.messages[0].message));
  }

  /// An advert with a changed byte. The colluder signs what it changed, and can take another site's key.
  void advertise_lie(std::size_t attempt, std::size_t site) {
    std::vector<std::byte> bytes = encode(lie(attempt, site));
    const std::size_t at = (std::size_t{next()} << 8 | next()) % bytes.size();
    bytes[at] ^= static_cast<std::byte>(next());
    auto advert = decode_group_advert(bytes);
    if (!advert) return;
    if (site == kColluder) sign(consortium(), site, *advert, benches_[attempt].context());
    hear(benches_[attempt].send(site, *advert));
  }

  GroupAdvert lie(std::size_t attempt, std::size_t site) {
    GroupAdvert advert = benches_[attempt].site(site).advert();
    if (site != kColluder) return advert;
    const std::uint8_t how = next();
    if (how % 4 == 1) advert.mask_key = benches_[attempt].site(how / 4 % kSites).advert().mask_key;
    if (how % 4 == 2) advert.mask_key = benches_[attempt ^ 1].site(how / 4 % kSites).advert().mask_key;
    if (how % 4 == 3) advert.mask_key = {static_cast<std::uint8_t>(how / 4 % 2)};
    if ((how & 0x80) != 0) advert.mask_key[31] ^= 0x80;
    sign(consortium(), kColluder, advert, benches_[attempt].context());
    return advert;
  }

  /// Some of the adverts of this attempt or the other; the colluder's can have any content.
  GroupAdvertList craft(std::size_t attempt) {
    const std::uint8_t without = next();
    const std::uint8_t other = next();
    GroupAdvertList list;
    for (std::size_t site = 0; site < kSites; ++site) {
      if ((without >> site & 1) != 0) continue;
      const std::size_t from = (other >> site & 1) ^ attempt;
      list.adverts.push_back(site == kColluder ? lie(from, site) : benches_[from].site(site).advert());
    }
    return list;
  }

  void deliver_changed(std::size_t attempt, std::size_t site) {
    std::vector<std::byte> bytes = encode(craft(attempt));
    const std::size_t at = (std::size_t{next()} << 8 | next()) % bytes.size();
    bytes[at] ^= static_cast<std::byte>(next());
    if (const auto list = decode_group_advert_list(bytes)) deliver(attempt, site, *list);
  }

  /// @param list  by value, because said_ grows meanwhile
  void deliver(std::size_t attempt, std::size_t site, GroupAdvertList list) {
    Session& now = sessions_[attempt][site];
    GroupBench& bench = benches_[attempt];
    const bool honest = bench.has_list(site) && list == bench.list(site);
    const bool own = honest && list.adverts[site] == bench.site(site).advert();
    const auto received = bench.site(site).receive(list);
    if (own && !now.keyed && !now.left) require(received.has_value());
    if (received) {
      require(!now.keyed && !now.left);
      now.keyed = true;
      judge(attempt, site, list);
    } else {
      now.left = true;
    }
    said_.push_back(std::move(list));
  }

  /// Handles a list that a site has accepted.
  void judge(std::size_t attempt, std::size_t site, const GroupAdvertList& list) {
    const GroupBench& bench = benches_[attempt];
    require(list.adverts.size() == kSites);
    std::set<crypto::X25519PublicKey> keys;
    for (std::size_t i = 0; i < kSites; ++i) {
      const GroupAdvert& advert = list.adverts[i];
      const auto statement = advert_statement(bench.context(), advert);
      require(advert.site == Consortium::name(i) && advert.seen.size() == kSites - 1 && advert.number > 0);
      require(consortium().authenticator().check_certificate(advert.site, advert.certificate).has_value());
      require(consortium().authenticator().verify(advert.certificate, statement, advert.signature).has_value());
      keys.insert(canonical(advert.mask_key));
    }
    require(keys.size() == kSites && !keys.contains({0}) && !keys.contains({1}));
    GroupSite& mine = benches_[attempt].site(site);
    require(list.adverts[site] == mine.advert());
    require(mine.cohort() == cohort_context(bench.context(), list));
    require(mine.claims().size() == kSites - 1 && mine.others().size() == kSites - 1);
  }

  void take_masks(std::size_t attempt, std::size_t site) {
    Session& now = sessions_[attempt][site];
    GroupBench& bench = benches_[attempt];
    const bool can = now.keyed && !now.taken && !now.left;
    require(bench.site(site).keyed() == can);
    const auto masks = bench.site(site).take_masks();
    require(masks.has_value() == can);
    if (!masks) return;
    now.taken = true;
    require(masks->size() == kSites - 1);
    if (site != kColluder) {
      for (const MaskTerm& mask : *masks) note(site, mask);
    }
    GroupUpload upload{bench.vector(site), 0};
    const FieldElement value = accumulate_tag(bench.root(), upload.words).value();
    need(add_masks(*masks, 0, upload.words));
    const FieldElement mask = tag_mask(*masks, upload.words.size()).value();
    upload.tag = masked_tag(bench.offset(bench.site(site).cohort()), value, mask).value();
    now.upload = std::move(upload);
    // The coordinator accepts a vector only under its own list.
    if (bench.site(site).cohort() == bench.coordinator().cohort()) bench.coordinator().uploaded(Consortium::name(site));
  }

  /// Records another vector under a mask.
  void note(std::size_t site, const MaskTerm& mask) {
    auto& holders = masks_[Key(mask.key.bytes().begin(), mask.key.bytes().end())];
    for (const auto& [other, subtracts] : holders) require(other != site && subtracts != mask.subtract);
    holders.emplace_back(site, mask.subtract);
    require(holders.size() <= 2);
  }

  void watch(std::size_t attempt) {
    const GroupCoordinator& coordinator = benches_[attempt].coordinator();
    require(coordinator.phase() >= phases_[attempt]);
    if (phases_[attempt] == GroupPhase::kComplete) require(coordinator.phase() == GroupPhase::kComplete);
    if (coordinator.phase() >= GroupPhase::kComplete) require(coordinator.awaited().empty());
    require(coordinator.failure().message.empty() == (coordinator.phase() != GroupPhase::kFailed));
    phases_[attempt] = coordinator.phase();
  }

  void add_up_all(std::size_t attempt) {
    GroupBench& bench = benches_[attempt];
    if (bench.coordinator().phase() != GroupPhase::kComplete) return;
    std::vector<GroupUpload> uploads;
    for (std::size_t site = 0; site < kSites; ++site) {
      require(sessions_[attempt][site].upload.has_value());
      uploads.push_back(*sessions_[attempt][site].upload);
    }
    const GroupUpload sum = add_up(uploads);
    require(sum.words == bench.plain_sum());
    std::vector<GroupTag> groups;
    groups.push_back({kSites, bench.offset(bench.coordinator().cohort()), sum.tag});
    require(check_tag(accumulate_tag(bench.root(), sum.words).value(), groups));
  }

  std::span<const std::uint8_t> input_;
  std::deque<GroupBench> benches_;
  Session sessions_[2][kSites];
  GroupPhase phases_[2] = {};
  std::deque<GroupAdvertList> said_;
  std::map<Key, std::vector<std::pair<std::size_t, bool>>>
      masks_;  ///< the sites that masked a vector with it, and the sign
};

}  // namespace
}  // namespace consilium::secagg

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  consilium::secagg::Run(std::span(data, std::min<std::size_t>(size, 200))).play();
  return 0;
}
