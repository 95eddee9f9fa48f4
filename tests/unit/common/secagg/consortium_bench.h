#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "common/secagg/coordinator_protocol.h"
#include "common/secagg/site_protocol.h"
#include "tests/unit/common/secagg/consortium.h"

namespace consilium::secagg {

/// The step from which a site is gone: it sends nothing of that step or later.
enum class Drop : std::uint8_t { kAdvertise = 1, kShare, kUpload, kConfirm, kUnmask, kNever };

struct BenchSetup {
  std::uint32_t colluding = 1;
  crypto::Digest context = crypto::sha256("an attempt");
  std::size_t words = 8;
  std::uint64_t seed = 1;
  bool everyone = false;  ///< the coordinator's: the whole cohort or no site
  /// The vectors of the sites; drawn from the seed if empty.
  std::vector<std::vector<std::uint32_t>> vectors;
  /// Rules that a site sets for itself before it starts.
  std::function<void(std::size_t site, SiteSetup&)> adjust;
  /// Interferes with messages on their way. They are encoded before it and decoded after it.
  std::function<void(std::size_t site, SiteMessage&)> to_coordinator;
};

/// One attempt of a whole consortium in memory. Every message is encoded and decoded on its way. The coordinator's
/// messages wait in each site's inbox until a step, or a test, delivers them.
class ConsortiumBench {
 public:
  /// @param consortium  must outlive the object
  ConsortiumBench(const Consortium& consortium, BenchSetup setup);
  ConsortiumBench(const ConsortiumBench&) = delete;
  ConsortiumBench& operator=(const ConsortiumBench&) = delete;

  [[nodiscard]] CoordinatorProtocol& coordinator() { return coordinator_; }
  [[nodiscard]] SiteProtocol& site(std::size_t site) { return sites_[site]; }
  [[nodiscard]] std::size_t size() const { return sites_.size(); }
  [[nodiscard]] SeededRandom& random() { return random_; }

  /// Lets every site do a step, unless it is among `gone`. The coordinator then no longer waits for any site.
  void advertise(const std::set<std::size_t>& gone = {});
  void share(const std::set<std::size_t>& gone = {});
  /// Opens the boxes, masks the vectors and sends them.
  void upload(const std::set<std::size_t>& gone = {});
  void confirm(const std::set<std::size_t>& gone = {});
  void unmask(const std::set<std::size_t>& gone = {});
  /// Runs all steps. A site without an entry in `drops` never drops.
  void run(const std::vector<Drop>& drops = {});
  /// Runs the steps before a given one.
  void run_until(Drop step);

  /// Takes the coordinator's latest message to a site out of its inbox. Throws if it has another kind.
  template <class Message>
  Message next(std::size_t site) {
    auto& inbox = inbox_.at(site);
    if (inbox.empty() || !std::holds_alternative<Message>(inbox.front())) throw std::logic_error("no such message");
    Message message = std::get<Message>(inbox.front());
    inbox.pop_front();
    return message;
  }
  /// Does the same for a message of any kind. Returns nothing if the inbox is empty.
  std::optional<CoordinatorMessage> take_next(std::size_t site);
  /// Delivers a message as its bytes. Throws if it doesn't survive encoding and decoding.
  Result<std::optional<SiteMessage>> deliver(std::size_t site, const CoordinatorMessage& message);
  void send(std::size_t site, const SiteMessage& message);
  /// Puts the messages that follow from an event at the coordinator into the inboxes.
  void take(Output output);
  /// Opens the boxes, and returns the masked vector.
  std::vector<std::uint32_t> mask_vector(std::size_t site);

  [[nodiscard]] const std::vector<std::uint32_t>& vector(std::size_t site) const { return setup_.vectors[site]; }
  [[nodiscard]] const std::map<std::size_t, std::vector<std::uint32_t>>& uploads() const { return uploads_; }
  /// Every message that sites sent, as the coordinator received it.
  [[nodiscard]] const std::vector<std::pair<std::size_t, SiteMessage>>& sent() const { return sent_; }
  [[nodiscard]] std::size_t sent_of_kind(std::size_t index) const;
  /// Sites that the coordinator lost, and sites that left, with their errors.
  [[nodiscard]] const std::map<std::size_t, std::string>& lost() const { return lost_; }
  [[nodiscard]] const std::map<std::size_t, std::string>& left() const { return left_; }
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }

  /// The sum of the survivors' masked vectors, unmasked by the coordinator, and their plain sum.
  [[nodiscard]] std::vector<std::uint32_t> unmasked_sum();
  [[nodiscard]] std::vector<std::uint32_t> plain_sum() const;

 private:
  template <class Message>
  void answer(const std::set<std::size_t>& gone);
  void close(Phase phase);
  [[nodiscard]] std::size_t number(const std::string& site) const;

  const Consortium& consortium_;
  BenchSetup setup_;
  SeededRandom random_;
  CoordinatorProtocol coordinator_;
  std::vector<SiteProtocol> sites_;
  std::map<std::size_t, std::deque<CoordinatorMessage>> inbox_;
  std::map<std::size_t, std::vector<std::uint32_t>> uploads_;
  std::vector<std::pair<std::size_t, SiteMessage>> sent_;
  std::map<std::size_t, std::string> lost_, left_;
  std::vector<std::string> notes_;
};

}  // namespace consilium::secagg
