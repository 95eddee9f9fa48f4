#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/agreement_checks.h"
#include "common/secagg/agreement_messages.h"
#include "common/secagg/authenticator.h"

namespace consilium::secagg {

/// The phase of an agreement.
enum class AgreementPhase : std::uint8_t { kAdvertising = 1, kSealing, kChecking, kAgreed, kFailed };
[[nodiscard]] std::string_view name_of(AgreementPhase phase);

/// Holds the result of an event: messages to send to sites, and adverts that were refused, each with the reason.
struct AgreementOutput {
  struct Addressed {
    std::string site;
    AgreementCoordinatorMessage message;
  };
  struct Refused {
    std::string site;
    Error error;
  };
  std::vector<Addressed> messages;
  std::vector<Refused> refused;
};

/// Implements the coordinator's side of one try at agreeing on a key. It relays messages, checks every signature that
/// the sites check, and names the site that keeps the try from succeeding. It learns nothing about the key except its
/// confirmation and the numbers that sites publish after complaints. It uses no socket, file, clock or thread. Its
/// output depends only on the events, so a journal of the events is enough to rebuild it after a restart. Not
/// thread-safe.
class AgreementCoordinator {
 public:
  /// Starts a try. Fails with kInvalidArgument if the setup is unsafe (check_setup()). `authenticator` must outlive the
  /// object.
  static Result<AgreementCoordinator> start(AgreementSetup setup, const Authenticator& authenticator);

  [[nodiscard]] AgreementPhase phase() const { return phase_; }
  /// Returns why the try failed, in kFailed. A new try has the next number.
  [[nodiscard]] const Error& failure() const { return failure_; }
  /// Returns the sites that failure() blames, in order. Empty if too few groups had advertised.
  [[nodiscard]] const std::vector<std::string>& blamed() const { return blamed_; }
  /// Returns the sites that the coordinator is waiting for.
  [[nodiscard]] std::set<std::string> awaited() const;
  /// Returns the indices of the job's groups that take part, from kSealing on.
  [[nodiscard]] const std::vector<std::uint32_t>& groups() const { return groups_; }
  /// Returns the confirmation of the key that all sites gave, in kAgreed. It is part of the context of every sum.
  [[nodiscard]] const std::optional<crypto::Digest>& confirmation() const { return confirmation_; }

  /// Handles a message from a site. An invalid advert is refused, and the site may send another. After the adverts are
  /// listed, any message that is invalid, out of order or contradicts an earlier message of the same site fails the try
  /// and blames that site. An identical repetition changes nothing.
  AgreementOutput receive(const std::string& site, const AgreementSiteMessage& message);
  /// Stops waiting. While advertising, the agreement continues with the groups whose members have all advertised. In
  /// later phases the try fails, and the sites that haven't answered are blamed.
  AgreementOutput close();
  /// Returns the messages that a reconnecting site may have missed. The site repeats any answer that it has already
  /// given, word for word.
  [[nodiscard]] std::vector<AgreementCoordinatorMessage> unanswered(const std::string& site) const;

 private:
  AgreementCoordinator(AgreementSetup setup, const Authenticator& authenticator);

  Result<void> on(Rank from, const NumberBoxes& boxes, AgreementOutput& output);
  Result<void> on(Rank from, const Complaints& complaints, AgreementOutput& output);
  Result<void> on(Rank from, const Opening& opening, AgreementOutput& output);
  Result<void> on(Rank from, const Agreed& agreed, AgreementOutput& output);
  Result<void> on(Rank from, const AgreementAdvert& advert, AgreementOutput& output);
  Result<void> take_advert(const std::string& site, const AgreementAdvert& advert);
  void list_adverts(AgreementOutput& output);
  void compare_confirmations();

  [[nodiscard]] std::size_t size() const { return list_.adverts.size(); }
  [[nodiscard]] const std::string& name(Rank rank) const { return list_.adverts[rank].site; }
  [[nodiscard]] const std::string& certificate(Rank rank) const { return list_.adverts[rank].certificate; }
  /// Returns true if the site has complained about a number that hasn't been published yet.
  [[nodiscard]] bool waits_for_others(Rank rank) const;
  [[nodiscard]] DeliveredBoxes boxes_for(Rank site) const;
  [[nodiscard]] Openings openings_for(Rank site) const;
  /// Returns the first complaint about a site, or nullopt if there is none.
  [[nodiscard]] std::optional<Accusation> accusation_of(Rank site) const;
  void give_up(std::vector<std::string> blamed, ErrorCode code, std::string why);

  AgreementSetup setup_;
  const Authenticator* authenticator_;
  AgreementPhase phase_ = AgreementPhase::kAdvertising;
  Error failure_;
  std::vector<std::string> blamed_;
  std::map<std::string, AgreementAdvert> advertised_;
  AgreementAdvertList list_;
  crypto::Digest sites_{};  ///< ctxK
  std::vector<std::uint32_t> groups_;
  std::map<Rank, NumberBoxes> boxes_;
  std::map<Rank, Complaints> complaints_;  ///< by complainant
  std::map<Rank, PublishedNumber> opened_;
  std::map<Rank, crypto::Digest> agreed_;
  std::optional<crypto::Digest> confirmation_;
};

}  // namespace consilium::secagg
