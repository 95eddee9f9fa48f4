#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/secagg/authenticator.h"
#include "common/secagg/mask.h"
#include "common/secagg/messages.h"
#include "common/secagg/output.h"

namespace consilium::secagg {

/// Holds what the coordinator knows about an attempt before it begins.
struct CoordinatorSetup {
  crypto::Digest context{};         ///< attempt_context() of the round order
  std::vector<std::string> cohort;  ///< the sites that are asked to take part
  std::uint32_t colluding = 1;      ///< c
  bool everyone = false;            ///< the sum needs the whole cohort: counts of a fixed group
};

/// The phase of the protocol. In each phase but the last two the coordinator waits for one message of each awaited
/// site; in kUploading, for its vector.
enum class Phase : std::uint8_t { kAdvertising = 1, kSharing, kUploading, kConfirming, kUnmasking, kUnmasked, kFailed };
[[nodiscard]] std::string_view name_of(Phase phase);

using Output = OutputOf<CoordinatorMessage>;

/// Implements the coordinator's side of one attempt at a masked sum (Bonawitz et al. 2017, figure 4). It relays and
/// counts messages. At the end it reconstructs the masks that are left in the sum of the survivors. It sees no site's
/// vector, and no secrets of a site except those that t survivors agreed to reveal. It uses no socket, file, clock or
/// thread. Not thread-safe.
class CoordinatorProtocol {
 public:
  /// @param authenticator must outlive the object
  CoordinatorProtocol(CoordinatorSetup setup, const Authenticator& authenticator);

  [[nodiscard]] Phase phase() const { return phase_; }
  /// Returns why the attempt failed, in kFailed.
  [[nodiscard]] const Error& failure() const { return failure_; }
  /// Returns the sites whose message of this phase is awaited. In kUploading these are the sites whose vector is
  /// awaited.
  [[nodiscard]] const std::set<std::string>& awaited() const { return awaited_; }
  [[nodiscard]] std::size_t threshold() const;

  /// Handles a message from a site. A message that is invalid or out of order removes the site from the attempt
  /// (Output::lost). A late or repeated message changes nothing.
  Output receive(const std::string& site, const SiteMessage& message);
  /// Notes that a site is gone for good: it has failed, or it has disconnected before the survivors were listed.
  Output lose(const std::string& site);
  /// Ends a phase that has lasted long enough: the sites that are still awaited are lost. Does nothing in kUploading,
  /// which ends with close_uploads().
  Output close_phase();

  /// Returns true if the site may upload: it has shared its keys, it has been sent its boxes, and its vector hasn't
  /// arrived.
  [[nodiscard]] bool admits_upload(const std::string& site) const;
  /// Notes that a site's vector has been added to the sum.
  void uploaded(const std::string& site);
  /// Fixes U3 and asks its sites to confirm. If U3 has fewer than t sites, the attempt fails and no site is asked. Does
  /// nothing if U3 is already fixed, because survivors that were confirmed must not be given up.
  Output close_uploads();
  /// Returns the messages that a reconnecting survivor may have missed. The site repeats any answer that it has already
  /// given, word for word.
  [[nodiscard]] std::vector<CoordinatorMessage> owed(const std::string& site) const;

  /// Returns the terms that remove the masks from the survivors' sum, in kUnmasked. Returns them only once.
  std::vector<MaskTerm> take_masks();
  /// Returns the names of U3, from close_uploads() on.
  [[nodiscard]] std::vector<std::string> survivors() const;

 private:
  Result<void> on(const std::string& site, const Advert& advert, Output& output);
  Result<void> on(const std::string& site, const Shares& shares, Output& output);
  Result<void> on(const std::string& site, const Confirmation& confirmation, Output& output);
  Result<void> on(const std::string& site, const Reveal& reveal, Output& output);
  [[nodiscard]] Result<void> check_keys(const Advert& advert) const;
  void move_on(Output& output);
  void miss(const std::string& site, Output& output);
  void list_adverts(Output& output);
  void hand_out_boxes(Output& output);
  void ask_to_unmask(Output& output);
  [[nodiscard]] bool committed_to(Rank holder, Rank of, const RevealedShare& share) const;
  Result<void> unmask();
  Result<void> add_seed_mask(Rank site);
  Result<void> add_pair_masks(Rank dropped);
  Result<crypto::SecretBytes> rebuild(Rank site) const;
  [[nodiscard]] bool enough_shares() const;
  void enter(Phase phase, std::set<std::string> awaited);
  void give_up(std::string why);
  [[nodiscard]] std::optional<Rank> rank_of(const std::string& site) const;
  [[nodiscard]] const std::string& name(Rank rank) const { return adverts_.adverts[rank].site; }
  [[nodiscard]] std::set<std::string> names(const std::vector<Rank>& ranks) const;
  [[nodiscard]] Boxes boxes_for(Rank site) const;
  [[nodiscard]] UnmaskRequest unmask_request() const;

  CoordinatorSetup setup_;
  const Authenticator* authenticator_;
  Phase phase_ = Phase::kAdvertising;
  Error failure_;
  std::set<std::string> awaited_;
  std::map<std::string, Advert> advertised_;
  AdvertList adverts_;       ///< U1, from kSharing on
  crypto::Digest cohort_{};  ///< ctx2
  std::map<Rank, Shares> shares_;
  std::vector<Rank> sharers_;  ///< U2, from kUploading on
  std::set<Rank> uploaded_;
  std::vector<Rank> survivors_;  ///< U3, from kConfirming on
  std::map<Rank, Signature> confirmations_;
  std::map<Rank, std::map<Rank, RevealedShare>> revealed_;  ///< by owner, then by holder; valid ones only
  std::vector<MaskTerm> masks_;
};

}  // namespace consilium::secagg
