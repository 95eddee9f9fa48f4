#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <span>

#include "tests/unit/common/secagg/consortium_bench.h"

/// Drives the coordinator's side with events in any order from five sites, some of them dishonest: true answers,
/// answers with a changed byte, another site's answers, old answers again, losses, uploads, closed phases. Whatever
/// happens, the phase never goes back, no further site is awaited within a phase, no mask is handed out before t sites
/// have revealed their shares, and the unmasked sum is the survivors'.
namespace consilium::secagg {
namespace {

constexpr std::size_t kSites = 5;

void require(bool holds) {
  if (!holds) std::abort();
}

class Run {
 public:
  explicit Run(std::span<const std::uint8_t> input) : input_(input), bench_(consortium(), {}) {
    const std::size_t steps = next() % 5;  // of an honest run, so that later steps are reached at once
    if (steps >= 1) bench_.advertise();
    if (steps >= 2) bench_.share();
    if (steps >= 3) upload_all();
    if (steps >= 4) bench_.confirm();
    for (const auto& [site, message] : bench_.sent()) old_.push_back(message);
    phase_ = bench_.coordinator().phase();
    awaited_ = bench_.coordinator().awaited();
  }

  void play() {
    while (!input_.empty()) {
      const std::uint8_t event = next();
      const std::size_t site = next() % kSites;
      happen(event % 8, site);
      check();
    }
    finish();
  }

 private:
  static const QuickConsortium& consortium() {
    static const QuickConsortium five(kSites);
    return five;
  }

  std::uint8_t next() {
    if (input_.empty()) return 0;
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }
  std::size_t position() {
    const std::size_t high = next();
    return high << 8 | next();
  }

  void happen(int event, std::size_t site) {
    CoordinatorProtocol& coordinator = bench_.coordinator();
    switch (event) {
      case 0:
      case 1:
        return answer(site, false);
      case 2:
        return answer(site, true);
      case 3:  // an earlier message of any site
        if (!old_.empty()) send(site, old_[next() % old_.size()]);
        return;
      case 4:
        return bench_.take(coordinator.lose(Consortium::name(site)));
      case 5:
        return bench_.take(coordinator.close_phase());
      case 6:
        coordinator.uploaded(Consortium::name(site));
        return;
      default:
        return bench_.take(coordinator.close_uploads());
    }
  }

  /// A site's answer to the next message in its inbox, or its advert; with a changed byte if it lies.
  void answer(std::size_t site, bool lies) {
    SiteMessage message = bench_.site(site).advert();
    if (const auto asked = bench_.take_next(site)) {
      auto said = bench_.site(site).receive(*asked);
      if (bench_.site(site).keyed()) vectors_[site] = bench_.mask_vector(site);
      if (!said || !*said) return;
      message = **said;
    }
    if (lies) {
      std::vector<std::byte> bytes = encode(message);
      const std::size_t at = position() % bytes.size();
      bytes[at] ^= static_cast<std::byte>(next());
      auto changed = decode_site_message(bytes);
      if (!changed) return;
      message = *std::move(changed);
    }
    send(site, message);
  }

  void send(std::size_t site, const SiteMessage& message) {
    const bool counts = bench_.coordinator().phase() == Phase::kUnmasking && std::holds_alternative<Reveal>(message) &&
                        bench_.coordinator().awaited().contains(Consortium::name(site));
    if (counts) revealed_.insert(site);
    old_.push_back(message);
    bench_.send(site, message);
  }

  void upload_all() {
    for (std::size_t site = 0; site < kSites; ++site) {
      const auto boxes = bench_.take_next(site);
      if (!boxes || !bench_.site(site).receive(*boxes)) std::abort();
      vectors_[site] = bench_.mask_vector(site);
      bench_.coordinator().uploaded(Consortium::name(site));
    }
    bench_.take(bench_.coordinator().close_uploads());
  }

  void check() {
    const CoordinatorProtocol& coordinator = bench_.coordinator();
    require(coordinator.phase() >= phase_);
    if (coordinator.phase() == phase_) require(std::ranges::includes(awaited_, coordinator.awaited()));
    if (coordinator.phase() >= Phase::kUnmasked) require(coordinator.awaited().empty());
    if (coordinator.phase() == Phase::kConfirming || coordinator.phase() == Phase::kUnmasking ||
        coordinator.phase() == Phase::kUnmasked)
      require(coordinator.survivors().size() >= coordinator.threshold());
    phase_ = coordinator.phase();
    awaited_ = coordinator.awaited();
  }

  void finish() {
    CoordinatorProtocol& coordinator = bench_.coordinator();
    if (coordinator.phase() == Phase::kFailed) require(!coordinator.failure().message.empty());
    const auto survivors = coordinator.survivors();
    const std::vector<MaskTerm> masks = coordinator.take_masks();
    if (coordinator.phase() != Phase::kUnmasked) return require(masks.empty());
    require(revealed_.size() >= coordinator.threshold());
    require(coordinator.take_masks().empty());
    std::vector<std::uint32_t> sum(bench_.vector(0).size());
    std::vector<std::uint32_t> plain = sum;
    for (std::size_t site = 0; site < kSites; ++site) {
      if (std::ranges::find(survivors, Consortium::name(site)) == survivors.end()) continue;
      if (!vectors_.contains(site)) return;  // the fuzzer reported a vector that never arrived
      for (std::size_t word = 0; word < sum.size(); ++word) {
        sum[word] += vectors_[site][word];
        plain[word] += bench_.vector(site)[word];
      }
    }
    need(add_masks(masks, 0, sum));
    require(sum == plain);
  }

  std::span<const std::uint8_t> input_;
  ConsortiumBench bench_;
  std::deque<SiteMessage> old_;  ///< a deque, because a repeated message must stay valid while it is recorded
  std::map<std::size_t, std::vector<std::uint32_t>> vectors_;
  std::set<std::size_t> revealed_;
  Phase phase_{};
  std::set<std::string> awaited_;
};

}  // namespace
}  // namespace consilium::secagg

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  consilium::secagg::Run(std::span(data, std::min<std::size_t>(size, 200))).play();
  return 0;
}
