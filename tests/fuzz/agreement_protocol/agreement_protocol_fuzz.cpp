#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <span>

#include "common/secagg/agreement_transcript.h"
#include "tests/unit/common/secagg/agreement_bench.h"

/// A coordinator drives two tries of six sites in two groups at will: it lists, delivers, accuses, opens and replays
/// anything, across sites and tries, with changed bytes. One site lies: it seals false numbers and signs any complaint,
/// but doesn't reveal what others sealed for it. Sites are saved and restored in between. An oracle checks:
///
/// - no answer after a refusal; a site that has a key keeps it;
/// - boxes only for lists of whole groups, signed for this try, with the site's own advert;
/// - an honest site publishes its number only after the liar complained about it, and always the same number;
/// - two honest sites that accepted one list and have keys with one confirmation have the same key;
/// - unless every honest number of a list has been published, no honest site's key is the hash of what the coordinator
///   knows: the published numbers, the liar's own, and zeros for the rest.
namespace consilium::secagg {
namespace {

constexpr std::size_t kSites = 6;
constexpr std::size_t kLiar = 5;

void require(bool holds) {
  if (!holds) std::abort();
}

const QuickConsortium& consortium() {
  static const QuickConsortium sites(kSites);
  return sites;
}

AgreementBenchSetup bench_setup(std::uint32_t attempt) {
  AgreementBenchSetup setup;
  setup.groups = {3, 3};
  setup.attempt = attempt;
  setup.seed = attempt;
  return setup;
}

/// What the oracle has seen of one site in one try.
struct Seen {
  bool left = false;
  std::optional<AgreementAdvertList> list;
  std::optional<NumberBoxes> boxes;
  std::optional<PublishedNumber> published;
  std::vector<std::uint8_t> key;
};

class Run {
 public:
  explicit Run(std::span<const std::uint8_t> input) : input_(input) {
    for (std::uint32_t attempt = 0; attempt < 2; ++attempt) {
      benches_.emplace_back(consortium(), bench_setup(attempt + 1));
      liars_.emplace_back(consortium(), kLiar, benches_[attempt].agreement(), 70 + attempt);
    }
    const std::uint8_t steps = next() % 4;
    for (std::uint8_t step = 0; step < steps; ++step) {
      for (std::size_t site = 0; site < kSites; ++site) honest(0, site, step);
    }
  }

  void play() {
    while (!input_.empty()) {
      const std::uint8_t event = next() % 8;
      const std::uint8_t target = next();
      const std::size_t attempt = target / kSites % 2;
      const std::size_t site = target % kSites;
      if (event < 4) {
        if (const auto message = craft(event, attempt, site)) deliver(attempt, site, *message);
      } else if (event == 4) {
        honest(attempt, site, next() % 3);
      } else if (event == 5) {
        changed(attempt, site);
      } else if (event == 6) {
        if (site != kLiar && !seen_[attempt][site].left) benches_[attempt].restart(site);
      } else if (!said_.empty()) {
        const AgreementCoordinatorMessage again = said_[next() % said_.size()];
        deliver(attempt, site, again);
      }
    }
    for (std::size_t attempt = 0; attempt < 2; ++attempt) judge_keys(attempt);
  }

 private:
  std::uint8_t next() {
    if (input_.empty()) return 0;
    const std::uint8_t byte = input_.front();
    input_ = input_.subspan(1);
    return byte;
  }

  /// The message that the next step of an honest try sends.
  void honest(std::size_t attempt, std::size_t site, std::uint8_t step) {
    if (step > 2) return;
    const std::span<const std::uint8_t> rest = input_;
    constexpr std::uint8_t kAll[] = {0x3F, 0, 0};
    input_ = kAll;
    const auto message = craft(step == 2 ? 3 : step, attempt, site);
    input_ = rest;
    if (message) deliver(attempt, site, *message);
  }

  std::optional<AgreementCoordinatorMessage> craft(std::uint8_t event, std::size_t attempt, std::size_t site) {
    const std::uint8_t whom = next();
    const std::uint8_t twist = next();
    if (event == 0) return adverts(attempt, whom, twist);
    if (event == 1) return boxes(attempt, site, whom, twist);
    if (event == 2) return accusation(attempt, site, whom, twist);
    return openings(attempt, site, whom, twist);
  }

  /// The adverts of `whom`, some of them from the other try, or (twist) with the coordinator's own key.
  std::optional<AgreementCoordinatorMessage> adverts(std::size_t attempt, std::uint8_t whom, std::uint8_t twist) {
    AgreementAdvertList list;
    for (std::size_t i = 0; i < kSites; ++i) {
      if ((whom >> i & 1) == 0) continue;
      const std::size_t from = (twist >> i & 1) ^ attempt;
      list.adverts.push_back(i == kLiar ? liars_[from].advert() : benches_[from].site(i).advert());
    }
    if (list.adverts.empty()) return std::nullopt;
    if ((twist & 0xC0) == 0xC0) list.adverts.back().box_key = liars_[1 - attempt].advert().box_key;
    return list;
  }

  /// The boxes that each site sealed for this one. The bits of `whom` leave some out; those of `twist` swap or replay
  /// one.
  std::optional<AgreementCoordinatorMessage> boxes(std::size_t attempt, std::size_t site, std::uint8_t whom,
                                                   std::uint8_t twist) {
    const Seen& target = seen_[attempt][site];
    if (!target.list || target.list->adverts.size() != kSites) return std::nullopt;
    DeliveredBoxes delivered;
    for (std::size_t from = 0; from < kSites; ++from) {
      const auto& sent = seen_[attempt ^ (twist >> 7)][from].boxes;
      if (from == site || (whom >> from & 1) == 0 || !sent) continue;
      std::size_t at = index_of_other(static_cast<Rank>(site), static_cast<Rank>(from));
      if ((twist >> from & 1) != 0) at = (at + 1) % sent->boxes.size();
      delivered.boxes.push_back({sent->commitment, sent->boxes[at]});
    }
    if (delivered.boxes.empty()) return std::nullopt;
    return delivered;
  }

  /// The liar's complaint about this site, or one that an honest site made, or one that nobody signed.
  std::optional<AgreementCoordinatorMessage> accusation(std::size_t attempt, std::size_t site, std::uint8_t whom,
                                                        std::uint8_t twist) {
    const Seen& target = seen_[attempt][site];
    if (!target.boxes || !target.list) return std::nullopt;
    const auto self = rank_of(*target.list, Consortium::name(site));
    const auto liar = rank_of(*target.list, Consortium::name(kLiar));
    if (!self || !liar) return std::nullopt;
    const Rank from = twist % 4 == 0 ? *liar : static_cast<Rank>(whom % kSites);
    const Rank about = twist % 4 == 1 ? static_cast<Rank>(whom % kSites) : *self;
    const auto sites = context_of(attempt, *target.list);
    const auto statement = complaint_statement(sites, from, about, target.boxes->commitment);
    if (from == *liar && about == *self && site != kLiar) complained_.insert({attempt, site});
    return Accusation{from, consortium().signer(kLiar).sign(statement).value()};
  }

  std::optional<AgreementCoordinatorMessage> openings(std::size_t attempt, std::size_t, std::uint8_t whom,
                                                      std::uint8_t twist) {
    Openings openings;
    for (std::size_t from = 0; from < kSites; ++from) {
      if ((whom >> from & 1) == 0) continue;
      PublishedNumber number = from == kLiar ? liars_[attempt].number() : PublishedNumber{};
      if (from != kLiar && seen_[attempt][from].published) number = *seen_[attempt][from].published;
      if ((twist >> from & 1) != 0) number[0] ^= 1;
      openings.numbers.push_back({static_cast<Rank>(from), number});
    }
    if (openings.numbers.empty()) return std::nullopt;
    return openings;
  }

  void changed(std::size_t attempt, std::size_t site) {
    const auto message = craft(next() % 4, attempt, site);
    if (!message) return;
    std::vector<std::byte> bytes = encode(*message);
    const std::size_t high = next();
    bytes[(high << 8 | next()) % bytes.size()] ^= static_cast<std::byte>(next());
    if (const auto decoded = decode_agreement_coordinator_message(bytes)) deliver(attempt, site, *decoded);
  }

  crypto::Digest context_of(std::size_t attempt, const AgreementAdvertList& list) {
    return sites_context(agreement_context(benches_[attempt].agreement().job, static_cast<std::uint32_t>(attempt + 1)),
                         list);
  }

  void deliver(std::size_t attempt, std::size_t site, const AgreementCoordinatorMessage& message) {
    if (site == kLiar) return tell_liar(attempt, message);
    Seen& now = seen_[attempt][site];
    said_.push_back(message);
    AgreementSite& target = benches_[attempt].site(site);
    const auto answer = target.receive(message);
    require(!now.left || !answer);
    if (!answer) {
      now.left = true;
      require(target.key() == nullptr);
      return;
    }
    if (const auto* boxes = std::get_if<NumberBoxes>(&*answer)) sent(attempt, site, message, *boxes);
    if (const auto* opening = std::get_if<Opening>(&*answer)) published(attempt, site, *opening);
    if (target.key() != nullptr) {
      require(now.key.empty() || now.key == bytes_of(*target.key()));
      now.key = bytes_of(*target.key());
    }
  }

  void tell_liar(std::size_t attempt, const AgreementCoordinatorMessage& message) {
    const auto* list = std::get_if<AgreementAdvertList>(&message);
    if (list == nullptr || list->adverts.size() != kSites || list->adverts[kLiar] != liars_[attempt].advert()) return;
    for (const AgreementAdvert& advert : list->adverts) {
      if (!crypto::X25519KeyPair::from_private(crypto::SecretBytes::allocate(32).value()).value().agree(advert.box_key))
        return;
    }
    const std::uint8_t lie = next();
    liars_[attempt].seals = [lie](Rank to, PublishedNumber number) {
      if ((lie >> to & 1) != 0) number[1] ^= 1;
      return number;
    };
    seen_[attempt][kLiar].list = *list;
    seen_[attempt][kLiar].boxes = std::get<NumberBoxes>(liars_[attempt].receive(message).value());
  }

  void sent(std::size_t attempt, std::size_t site, const AgreementCoordinatorMessage& message,
            const NumberBoxes& boxes) {
    Seen& now = seen_[attempt][site];
    const auto& list = std::get<AgreementAdvertList>(message);
    require(list.adverts.size() == kSites);  // more than half of two groups is both of them
    const auto context = agreement_context(benches_[attempt].agreement().job, static_cast<std::uint32_t>(attempt + 1));
    for (std::size_t i = 0; i < kSites; ++i) {
      const AgreementAdvert& advert = list.adverts[i];
      require(advert.site == Consortium::name(i));
      require(consortium().authenticator().check_certificate(advert.site, advert.certificate).has_value());
      require(consortium()
                  .authenticator()
                  .verify(advert.certificate, advert_statement(context, advert), advert.signature)
                  .has_value());
    }
    require(list.adverts[site] == benches_[attempt].site(site).advert());
    require(!now.list || (*now.list == list && *now.boxes == boxes));
    now.list = list;
    now.boxes = boxes;
  }

  void published(std::size_t attempt, std::size_t site, const Opening& opening) {
    Seen& now = seen_[attempt][site];
    require(complained_.contains({attempt, site}));
    require(now.boxes && number_commitment(context_of(attempt, *now.list), static_cast<Rank>(site), opening.number) ==
                             now.boxes->commitment);
    require(!now.published || *now.published == opening.number);
    now.published = opening.number;
  }

  void judge_keys(std::size_t attempt) {
    for (std::size_t site = 0; site < kLiar; ++site) {
      const Seen& now = seen_[attempt][site];
      if (now.key.empty()) continue;
      for (std::size_t other = 0; other < site; ++other) {
        const Seen& also = seen_[attempt][other];
        if (also.key.empty() || *also.list != *now.list) continue;
        const bool confirm =
            now.left || also.left ||
            benches_[attempt].site(site).confirmation() == benches_[attempt].site(other).confirmation();
        require(now.left || also.left || confirm == (now.key == also.key));
        require(now.key == also.key);  // the liar has one commitment, whatever it sealed
      }
      std::vector<crypto::SecretBytes> numbers;
      bool all_published = true;
      for (std::size_t from = 0; from < kSites; ++from) {
        const PublishedNumber known =
            from == kLiar ? liars_[attempt].number() : seen_[attempt][from].published.value_or(PublishedNumber{});
        all_published = all_published && (from == kLiar || seen_[attempt][from].published);
        numbers.push_back(crypto::SecretBytes::copy_of(known).value());
      }
      const auto guess = bytes_of(agreed_key(numbers, context_of(attempt, *now.list)).value());
      require((guess == now.key) == all_published);
    }
  }

  std::span<const std::uint8_t> input_;
  std::deque<AgreementBench> benches_;
  std::deque<HandmadeSite> liars_;
  Seen seen_[2][kSites];
  std::vector<AgreementCoordinatorMessage> said_;
  std::set<std::pair<std::size_t, std::size_t>> complained_;
};

}  // namespace
}  // namespace consilium::secagg

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  consilium::secagg::Run(std::span(data, std::min<std::size_t>(size, 200))).play();
  return 0;
}
