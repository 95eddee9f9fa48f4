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

/// What the coordinator knows of an attempt before it begins.
struct CoordinatorSetup {
  crypto::Digest context{};         ///< attempt_context() of the round order
  std::vector<std::string> cohort;  ///< the sites that are asked
  std::uint32_t colluding = 1;      ///< c
  bool everyone = false;            ///< the sum is of the whole cohort or of nobody: counts of a fixed group
};

/// What the protocol is at. The coordinator waits for one message of each site in all but the last two.
enum class Phase : std::uint8_t { kAdvertising = 1, kSharing, kUploading, kConfirming, kUnmasking, kUnmasked, kFailed };
[[nodiscard]] std::string_view name_of(Phase phase);

using Output = OutputOf<CoordinatorMessage>;

/// The coordinator's side of one attempt at a masked sum (Bonawitz et al. 2017, figure 4): it relays, counts, and at
/// the end rebuilds the masks that are left in the sum of the survivors. It sees no site's vector and no site's secrets
/// but those that t survivors agreed to reveal. No socket, file, clock or thread. Not thread-safe.
class CoordinatorProtocol {
 public:
  /// @param authenticator outlives the object
  CoordinatorProtocol(CoordinatorSetup setup, const Authenticator& authenticator);

  [[nodiscard]] Phase phase() const { return phase_; }
  /// Why the attempt came to nothing, in kFailed.
  [[nodiscard]] const Error& failure() const { return failure_; }
  /// Sites whose message of this phase is awaited; in kUploading those whose vector is.
  [[nodiscard]] const std::set<std::string>& awaited() const { return awaited_; }
  [[nodiscard]] std::size_t threshold() const;

  /// Takes a site's message. One that is untrue or out of order costs the site its place (Output::lost); one that is
  /// late or said twice changes nothing.
  Output receive(const std::string& site, const SiteMessage& message);
  /// A site is gone for good: it failed, or (before the survivors are listed) it disconnected.
  Output lose(const std::string& site);
  /// The phase has lasted long enough: who is awaited is lost. Not in kUploading, whose end is close_uploads().
  Output close_phase();

  /// May the site upload: it has shared its keys, and its boxes are out.
  [[nodiscard]] bool admits_upload(const std::string& site) const;
  /// A site's vector is in the sum.
  void uploaded(const std::string& site);
  /// Fixes U3 and asks it to confirm. Fewer than t: the attempt has failed, and nothing was asked. Nothing happens
  /// where U3 is fixed already: what was confirmed is not given up.
  Output close_uploads();
  /// What a survivor that came back may have missed: it answers again what it has answered, word for word.
  [[nodiscard]] std::vector<CoordinatorMessage> owed(const std::string& site) const;

  /// In kUnmasked: what takes the masks off the survivors' sum. Once.
  std::vector<MaskTerm> take_masks();
  /// U3 by name, from close_uploads() on.
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
  std::map<Rank, std::map<Rank, RevealedShare>> revealed_;  ///< by whose secret, then by holder; good ones only
  std::vector<MaskTerm> masks_;
};

}  // namespace consilium::secagg
