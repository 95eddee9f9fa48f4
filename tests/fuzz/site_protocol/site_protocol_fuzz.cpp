#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "common/job/cohort_rules.h"
#include "common/secagg/transcript.h"
#include "tests/unit/common/secagg/consortium_bench.h"

/// A coordinator with a colluding site drives two attempts of five sites at will: it lists, hands out, asks for and
/// replays anything, across sites and attempts, with changed bytes. An oracle that knows the rules computes for itself
/// what each site has agreed to, and checks the sites' answers:
///
/// - no answer after a refusal, no second answer of one kind, masks once;
/// - each answer only if its rule holds: adverts signed for this attempt, t sharers, t survivors among them and the
///   site itself, t valid confirmations of exactly what the site confirmed;
/// - a survivor's seed share, a dropout's key share, never both of one; and never so many of both that, with what the
///   colluder holds, both secrets of an honest site could be rebuilt.
namespace consilium::secagg {
namespace {

constexpr std::size_t kSites = 5;
constexpr std::size_t kColluder = 4;
constexpr std::uint32_t kColluding = 1;

void require(bool holds) {
  if (!holds) std::abort();
}

const QuickConsortium& consortium() {
  static const QuickConsortium five(kSites);
  return five;
}

/// What the oracle knows of one site in one attempt.
struct Seen {
  AdvertList list;
  crypto::Digest cohort{};
  std::optional<Shares> shares;
  std::vector<Rank> sharers, survivors;
  std::optional<Signature> confirmation;
  std::size_t answers[4] = {};
  bool boxed = false, masked = false, left = false;
};

/// The sites whose share of one secret honest sites revealed, by attempt and cohort, and rank.
using Holders = std::map<std::pair<crypto::Digest, Rank>, std::set<std::string>>;

class Run {
 public:
  explicit Run(std::span<const std::uint8_t> input) : input_(input) {
    const std::uint8_t steps = next() % 5;
    BenchSetup second;
    second.seed = 2;
    second.context = crypto::sha256(next() % 2 == 0 ? "an attempt" : "another attempt");
    contexts_ = {BenchSetup{}.context, second.context};
    benches_.emplace_back(consortium(), BenchSetup{});
    benches_.emplace_back(consortium(), second);
    for (std::size_t step = 0; step < steps; ++step) {
      for (std::size_t site = 0; site < kSites; ++site) honest(0, site, step);
    }
  }

  void play() {
    while (!input_.empty()) {
      const std::uint8_t event = next() % 8;
      const std::uint8_t target = next();
      const std::size_t attempt = target / kSites % 2;
      const std::size_t site = target % kSites;
      if (event == 2) {
        take_masks(attempt, site);
      } else if (event < 5) {
        if (const auto message = craft(event, attempt, site)) deliver(attempt, site, *message);
      } else if (event == 5) {
        honest(attempt, site, next() % 4);
      } else if (event == 6) {
        changed(attempt, site);
      } else if (!said_.empty()) {
        deliver(attempt, site, said_[next() % said_.size()]);
      }
    }
  }

 private:
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

  Seen& seen(std::size_t attempt, std::size_t site) { return seen_[attempt][site]; }

  /// The message that the next step of an honest attempt sends.
  void honest(std::size_t attempt, std::size_t site, std::size_t step) {
    const std::span<const std::uint8_t> rest = input_;
    constexpr std::uint8_t kAll[] = {0x1F, 0, 0, 0};
    input_ = kAll;
    const auto message = craft(static_cast<int>(step < 2 ? step : step + 1), attempt, site);
    input_ = rest;
    if (step == 2 && benches_[attempt].site(site).keyed()) take_masks(attempt, site);
    if (message) deliver(attempt, site, *message);
  }

  std::optional<CoordinatorMessage> craft(int event, std::size_t attempt, std::size_t site) {
    const std::uint8_t whom = next();
    const std::uint8_t twist = next();
    switch (event) {
      case 0:
        return adverts(attempt, whom, twist);
      case 1:
        return boxes(attempt, site, whom, twist);
      case 3:
        return survivors(whom);
      default:
        return confirmations(attempt, site, whom, twist);
    }
  }

  /// The adverts of `whom`, some of them from the other attempt.
  std::optional<CoordinatorMessage> adverts(std::size_t attempt, std::uint8_t whom, std::uint8_t twist) {
    AdvertList list;
    for (std::size_t i = 0; i < kSites; ++i) {
      if ((whom >> i & 1) != 0) list.adverts.push_back(benches_[(twist >> i & 1) ^ attempt].site(i).advert());
    }
    if (list.adverts.empty()) return std::nullopt;
    return list;
  }

  /// What `whom` sealed for this site, or (twist) for its neighbour, or in the other attempt.
  std::optional<CoordinatorMessage> boxes(std::size_t attempt, std::size_t site, std::uint8_t whom,
                                          std::uint8_t twist) {
    const AdvertList& list = seen(attempt, site).list;
    const auto self = rank_of(list, site);
    if (!self) return std::nullopt;
    Boxes boxes;
    for (std::size_t from = 0; from < kSites; ++from) {
      const auto rank = rank_of(list, from);
      const auto& shares = seen(attempt ^ (twist >> 7), from).shares;
      if ((whom >> from & 1) == 0 || from == site || !rank || !shares) continue;
      std::size_t at = *self < *rank ? *self : *self - 1U;
      if ((twist >> from & 1) != 0) ++at;
      if (at < shares->boxes.size()) boxes.boxes.push_back({*rank, shares->boxes[at]});
    }
    if (boxes.boxes.empty()) return std::nullopt;
    return boxes;
  }

  std::optional<CoordinatorMessage> survivors(std::uint8_t whom) {
    Survivors survivors;
    for (Rank rank = 0; rank < 8; ++rank) {
      if ((whom >> rank & 1) != 0) survivors.ranks.push_back(rank);
    }
    if (survivors.ranks.empty()) return std::nullopt;
    return survivors;
  }

  /// The signatures that `whom` gave. The colluder signs whatever helps, and with a twist other sites' names are
  /// forged.
  std::optional<CoordinatorMessage> confirmations(std::size_t attempt, std::size_t site, std::uint8_t whom,
                                                  std::uint8_t twist) {
    const Seen& target = seen(attempt, site);
    const auto statement = confirmation_statement(target.cohort, target.sharers, target.survivors);
    const Signature colluders = consortium().signer(kColluder).sign(statement).value();
    UnmaskRequest request;
    for (std::size_t i = 0; i < kSites; ++i) {
      const auto rank = rank_of(target.list, i);
      if ((whom >> i & 1) == 0 || !rank) continue;
      const auto& given = seen((twist >> i & 1) ^ attempt, i).confirmation;
      if (i == kColluder || (twist & 0x80) != 0) {
        request.confirmations.push_back({*rank, colluders});
      } else if (given) {
        request.confirmations.push_back({*rank, *given});
      }
    }
    if (request.confirmations.empty()) return std::nullopt;
    return request;
  }

  void changed(std::size_t attempt, std::size_t site) {
    constexpr int kEvents[] = {0, 1, 3, 4};
    const auto message = craft(kEvents[next() % 4], attempt, site);
    if (!message) return;
    std::vector<std::byte> bytes = encode(*message);
    const std::size_t at = position() % bytes.size();
    bytes[at] ^= static_cast<std::byte>(next());
    if (const auto decoded = decode_coordinator_message(bytes)) deliver(attempt, site, *decoded);
  }

  static std::optional<Rank> rank_of(const AdvertList& list, std::size_t site) {
    const auto found = std::ranges::find(list.adverts, Consortium::name(site), &Advert::site);
    if (found == list.adverts.end()) return std::nullopt;
    return static_cast<Rank>(found - list.adverts.begin());
  }

  static std::size_t needed(const Seen& site) {
    return job::threshold(static_cast<std::uint32_t>(site.list.adverts.size()), kColluding);
  }

  void take_masks(std::size_t attempt, std::size_t site) {
    Seen& now = seen(attempt, site);
    const auto masks = benches_[attempt].site(site).take_masks();
    require(masks.has_value() == (now.boxed && !now.masked && !now.left));
    if (!masks) return;
    require(masks->size() == now.sharers.size());
    now.masked = true;
  }

  void deliver(std::size_t attempt, std::size_t site, const CoordinatorMessage& message) {
    Seen& now = seen(attempt, site);
    said_.push_back(message);
    const auto answer = benches_[attempt].site(site).receive(message);
    if (now.left) require(!answer);
    if (!answer) {
      now.left = true;
      return;
    }
    if (*answer) require(++now.answers[(*answer)->index()] == 1);
    std::visit([&](const auto& body) { judge(attempt, site, body, *answer); }, message);
  }

  void judge(std::size_t attempt, std::size_t site, const AdvertList& list, const std::optional<SiteMessage>& answer) {
    Seen& now = seen(attempt, site);
    require(list.adverts.size() >= job::smallest_cohort(kColluding));
    std::set<std::string> names;
    for (const Advert& advert : list.adverts) {
      const auto statement = advert_statement(contexts_[attempt], advert);
      require(consortium().authenticator().check_certificate(advert.site, advert.certificate).has_value());
      require(consortium().authenticator().verify(advert.certificate, statement, advert.signature).has_value());
      names.insert(advert.site);
    }
    require(names.size() == list.adverts.size());
    const auto self = rank_of(list, site);
    require(self && list.adverts[*self] == benches_[attempt].site(site).advert());
    now.list = list;
    now.cohort = cohort_context(contexts_[attempt], list);
    now.shares = std::get<Shares>(answer.value());
    require(shares_.emplace(std::pair(now.cohort, *self), *now.shares).second);
  }

  void judge(std::size_t attempt, std::size_t site, const Boxes& boxes, const std::optional<SiteMessage>& answer) {
    Seen& now = seen(attempt, site);
    require(!answer && !now.boxed);
    now.boxed = true;
    now.sharers.push_back(*rank_of(now.list, site));
    for (const Box& box : boxes.boxes) now.sharers.push_back(box.from);
    std::ranges::sort(now.sharers);
    require(std::ranges::adjacent_find(now.sharers) == now.sharers.end());
    require(now.sharers.size() >= needed(now));
  }

  void judge(std::size_t attempt, std::size_t site, const Survivors& survivors,
             const std::optional<SiteMessage>& answer) {
    Seen& now = seen(attempt, site);
    require(now.masked && survivors.ranks.size() >= needed(now));
    for (const Rank rank : survivors.ranks) require(std::ranges::count(now.sharers, rank) == 1);
    require(std::ranges::count(survivors.ranks, *rank_of(now.list, site)) == 1);
    now.survivors = survivors.ranks;
    now.confirmation = std::get<Confirmation>(answer.value()).signature;
  }

  void judge(std::size_t attempt, std::size_t site, const UnmaskRequest& request,
             const std::optional<SiteMessage>& answer) {
    const Seen& now = seen(attempt, site);
    const auto statement = confirmation_statement(now.cohort, now.sharers, now.survivors);
    std::set<Rank> confirmed;
    for (const auto& [rank, signature] : request.confirmations) {
      const std::string& certificate = now.list.adverts.at(rank).certificate;
      if (std::ranges::count(now.survivors, rank) == 1 &&
          consortium().authenticator().verify(certificate, statement, signature))
        confirmed.insert(rank);
    }
    require(confirmed.size() >= needed(now));
    const Reveal& reveal = std::get<Reveal>(answer.value());
    require(reveal.shares.size() == now.sharers.size());
    for (std::size_t i = 0; i < now.sharers.size(); ++i) revealed(now, site, now.sharers[i], reveal.shares[i]);
  }

  /// Determines by the sender's commitments which secret the share belongs to, and how many such shares are revealed
  /// now.
  void revealed(const Seen& now, std::size_t site, Rank of, const RevealedShare& share) {
    const Rank holder = *rank_of(now.list, site);
    const ShareCommitments& committed = shares_.at({now.cohort, of}).commitments[holder];
    const bool seed = share_commitment(now.cohort, ShareOf::kSeed, of, holder, share) == committed.seed_share;
    const bool key = share_commitment(now.cohort, ShareOf::kMaskKey, of, holder, share) == committed.key_share;
    const bool survived = std::ranges::count(now.survivors, of) == 1;
    require(seed == survived && key != survived);
    if (site == kColluder || rank_of(now.list, kColluder) == of) return;
    const auto place = std::pair(now.cohort, of);
    (survived ? seeds_ : keys_)[place].insert(Consortium::name(site));
    require(!seeds_[place].contains(Consortium::name(site)) || !keys_[place].contains(Consortium::name(site)));
    const std::size_t colluders = rank_of(now.list, kColluder) ? 1 : 0;
    require(seeds_[place].size() + colluders < needed(now) || keys_[place].size() + colluders < needed(now));
  }

  std::span<const std::uint8_t> input_;
  std::deque<ConsortiumBench> benches_;
  std::vector<crypto::Digest> contexts_;
  Seen seen_[2][kSites];
  std::deque<CoordinatorMessage> said_;  ///< a deque, because a repeated message must stay valid while it is recorded
  std::map<std::pair<crypto::Digest, Rank>, Shares> shares_;
  Holders seeds_, keys_;
};

}  // namespace
}  // namespace consilium::secagg

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  consilium::secagg::Run(std::span(data, std::min<std::size_t>(size, 200))).play();
  return 0;
}
