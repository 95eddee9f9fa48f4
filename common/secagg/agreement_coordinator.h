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

/// What an agreement is at.
enum class AgreementPhase : std::uint8_t { kAdvertising = 1, kSealing, kChecking, kAgreed, kFailed };
[[nodiscard]] std::string_view name_of(AgreementPhase phase);

/// What follows from an event: messages to sites, and adverts that were refused, with the reason.
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

/// The coordinator's side of one try at agreeing on a key: it relays, checks every signature that a site checks, and
/// names the site that stands in the way. It learns nothing of the key but its confirmation, and the numbers that sites
/// publish after complaints. No socket, file, clock or thread: what it says follows from the events alone, so a journal
/// of them rebuilds it after a restart. Not thread-safe.
class AgreementCoordinator {
 public:
  /// kInvalidArgument where the setup is unsafe (check_setup()). `authenticator` outlives the object.
  static Result<AgreementCoordinator> start(AgreementSetup setup, const Authenticator& authenticator);

  [[nodiscard]] AgreementPhase phase() const { return phase_; }
  /// Why the try came to nothing, in kFailed; a new try has the next number.
  [[nodiscard]] const Error& failure() const { return failure_; }
  /// The sites that failure() blames, in order. Empty where too few advertised.
  [[nodiscard]] const std::vector<std::string>& blamed() const { return blamed_; }
  /// Sites that the coordinator waits for.
  [[nodiscard]] std::set<std::string> awaited() const;
  /// Indices of the job's groups that take part, from kSealing on.
  [[nodiscard]] const std::vector<std::uint32_t>& groups() const { return groups_; }
  /// What all sites say of their key, in kAgreed: part of each sum's context.
  [[nodiscard]] const std::optional<crypto::Digest>& confirmation() const { return confirmation_; }

  /// Takes a site's message. An untrue advert is refused and may be followed by another; from then on whatever is
  /// untrue, out of order or contradicts what the site said before fails the try with its name. What is said again word
  /// for word changes nothing.
  AgreementOutput receive(const std::string& site, const AgreementSiteMessage& message);
  /// Ends the waiting: goes on with the groups whose members have all advertised, or fails and blames the silent.
  AgreementOutput close();
  /// What a site that came back may have missed; it answers again what it has answered, word for word.
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
  /// Has the site complained, and are numbers that it complained of not published yet?
  [[nodiscard]] bool waits_for_others(Rank rank) const;
  [[nodiscard]] DeliveredBoxes boxes_for(Rank site) const;
  [[nodiscard]] Openings openings_for(Rank site) const;
  /// The first complaint about a site; nullopt where nobody complains.
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
  std::map<Rank, Complaints> complaints_;  ///< by who complains
  std::map<Rank, PublishedNumber> opened_;
  std::map<Rank, crypto::Digest> agreed_;
  std::optional<crypto::Digest> confirmation_;
};

}  // namespace consilium::secagg
