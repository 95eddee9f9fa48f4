#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/secagg/agreement_coordinator.h"
#include "common/secagg/agreement_site.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {

struct AgreementBenchSetup {
  std::vector<std::size_t> groups{3};  ///< sizes; the sites of one group follow those of the previous one
  std::uint32_t colluding = 1;
  std::uint32_t attempt = 1;
  crypto::Digest job = crypto::sha256("a job");
  std::uint64_t seed = 1;
  /// Sends a site something other than the other sites.
  std::function<void(std::size_t site, AgreementSiteSetup& setup)> adjust;
};

/// A site that the test assembles by hand, so that it can lie.
class HandmadeSite {
 public:
  HandmadeSite(const Consortium& consortium, std::size_t site, const AgreementSetup& agreement, std::uint64_t seed);

  /// The number to seal for a rank. All zeros are as good as any.
  std::function<PublishedNumber(Rank to, const PublishedNumber& number)> seals;
  std::set<Rank> complains_of;
  std::optional<PublishedNumber> opens;  ///< sent in place of its number
  bool sends_boxes = true;
  bool answers_accusations = true;
  std::optional<crypto::Digest> confirms;  ///< sent in place of its key's confirmation

  [[nodiscard]] AgreementAdvert advert() const;
  [[nodiscard]] std::optional<AgreementSiteMessage> receive(const AgreementCoordinatorMessage& message);
  /// Returns boxes for the list in receive(). The commitment is to the true number, or to another one.
  [[nodiscard]] NumberBoxes boxes(const std::optional<PublishedNumber>& committed = std::nullopt) const;
  [[nodiscard]] Signed complaint(Rank about, const crypto::Digest& commitment) const;
  [[nodiscard]] const PublishedNumber& number() const { return number_; }

 private:
  [[nodiscard]] AgreementSiteMessage agree();

  const Consortium& consortium_;
  std::size_t site_;
  AgreementSetup agreement_;
  crypto::X25519KeyPair box_;
  PublishedNumber number_{};
  AgreementAdvertList list_;
  crypto::Digest sites_{};
  Rank self_ = 0;
  std::vector<PublishedNumber> numbers_;
  std::vector<crypto::Digest> commitments_;
};

/// Sites and a coordinator in one process. Messages travel as bytes, in the order in which they were sent.
class AgreementBench {
 public:
  explicit AgreementBench(const Consortium& consortium, AgreementBenchSetup setup = {});

  [[nodiscard]] AgreementSetup agreement() const;
  [[nodiscard]] AgreementSite& site(std::size_t site) { return sites_[site]; }
  [[nodiscard]] std::size_t size() const { return sites_.size(); }
  [[nodiscard]] AgreementCoordinator& coordinator() { return *coordinator_; }
  /// Replaces a site by a handmade one. Call it before run().
  HandmadeSite& replace(std::size_t site);

  /// Changes a message to a site on its way; nullopt: it isn't delivered.
  std::function<std::optional<AgreementCoordinatorMessage>(std::size_t site, AgreementCoordinatorMessage message)>
      on_the_way;
  std::set<std::size_t> absent;  ///< sites that don't advertise

  /// Lets all present sites advertise, and delivers messages until none are left. Stops before the first message for
  /// which `until` returns true.
  void run(const std::function<bool(const AgreementCoordinatorMessage&)>& until = {});
  /// Delivers the messages of `output`, and those that follow.
  void follow(AgreementOutput output, const std::function<bool(const AgreementCoordinatorMessage&)>& until = {});

  /// Returns the message of that kind that waits for a site.
  template <class Message>
  [[nodiscard]] Message waiting(std::size_t site) const {
    for (const auto& [to, message] : queue_) {
      if (to == site && std::holds_alternative<Message>(message)) return std::get<Message>(message);
    }
    throw std::logic_error("no such message waits for the site");
  }
  /// The errors with which sites refused, by site.
  [[nodiscard]] const std::map<std::size_t, Error>& refusals() const { return refusals_; }
  /// Every message of a site that reached the coordinator.
  [[nodiscard]] const std::vector<std::pair<std::size_t, AgreementSiteMessage>>& said() const { return said_; }
  /// Sites whose numbers the coordinator has seen in the clear.
  [[nodiscard]] std::set<std::size_t> published() const;
  /// Saves a site and replaces it by the restored one.
  void restart(std::size_t site);
  [[nodiscard]] const crypto::SecretBytes& sealing_key() const { return sealing_key_; }
  [[nodiscard]] AgreementSiteSetup setup_of(std::size_t site) const;
  [[nodiscard]] SeededRandom& random(std::size_t site) { return randoms_[site]; }
  [[nodiscard]] const Consortium& consortium() const { return consortium_; }

 private:
  void send(std::size_t site, const AgreementSiteMessage& message);
  void deliver(std::size_t site, const AgreementCoordinatorMessage& message);

  const Consortium& consortium_;
  AgreementBenchSetup setup_;
  crypto::SecretBytes sealing_key_;
  std::deque<SeededRandom> randoms_;
  std::deque<AgreementSite> sites_;
  std::map<std::size_t, HandmadeSite> handmade_;
  std::optional<AgreementCoordinator> coordinator_;
  std::deque<std::pair<std::size_t, AgreementCoordinatorMessage>> queue_;
  std::map<std::size_t, Error> refusals_;
  std::vector<std::pair<std::size_t, AgreementSiteMessage>> said_;
};

/// Returns bytes in a form that a test can compare.
[[nodiscard]] std::vector<std::uint8_t> bytes_of(const crypto::SecretBytes& secret);

}  // namespace consilium::secagg
