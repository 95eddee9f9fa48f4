#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/crypto/random_source.h"
#include "common/job/job_signature.h"
#include "common/job/job_spec.h"
#include "common/pki/signer.h"
#include "common/pki/trust.h"
#include "common/roster/roster.h"
#include "common/secagg/messages.h"
#include "common/secagg/roster_authenticator.h"
#include "tests/contract/link/federation_fixture.h"
#include "tests/rogue_coordinator/client_process.h"

/// A coordinator that lies, against the real client: the consortium around the client, and the client's observable
/// behaviour.
namespace consilium::rogue {

inline const std::string kNorth = "north";
/// B of the stage's population, equal to the number of training examples of each of its sites.
inline constexpr std::uint64_t kBound = 40;

/// Validation and test examples that north has.
inline constexpr std::size_t kValidation = 16;

/// A certificate and the key that signs with it.
struct Credentials {
  std::string certificate;  ///< PEM
  std::shared_ptr<pki::Signer> signer;
};

/// A certificate authority of one's own over a consortium.
class Minting {
 public:
  Minting(pki::Authority authority, std::filesystem::path folder)
      : authority_(std::move(authority)), folder_(std::move(folder)) {}
  /// A new key with a certificate that names `site`.
  Credentials mint(const std::string& site);
  /// Returns a certificate for an existing key.
  Credentials certify(const std::string& site, const std::filesystem::path& key,
                      std::chrono::seconds validity = std::chrono::hours(1));

 private:
  pki::Authority authority_;
  std::filesystem::path folder_;
  int minted_ = 0;
};

struct StageOptions {
  std::vector<std::string> sites{"east", "north", "south", "west"};
  std::string policy{};                    ///< lines of policy.yaml besides those that accept the job
  std::vector<std::string> environment{};  ///< of the client, "NAME=value"
  unsigned training_ms = 0;                ///< duration of a training in addition to its own
  std::string trainer{};                   ///< further arguments of the trainer, each preceded by ", "
  std::size_t examples = kBound;           ///< training examples of north
  unsigned classes = 2;                    ///< of the job's model
  unsigned labels = 2;                     ///< number of different labels among north's examples
  std::string datasets{};                  ///< lines of client.yaml below `datasets`
  bool unprivileged = false;               ///< runs the client as nobody, if the test runs as root
  /// Entries of the one population, `chest`, in mode `masked` with a bound of kBound examples. Without any, the roster
  /// has no population, and masked jobs have mode `masked-threshold`.
  std::vector<roster::Group> groups{};
};

/// A consortium whose site north is the real client. The test plays the other sites with their own keys, and controls
/// the coordinator. Certificates, TLS and the trainer process are real.
class Stage {
 public:
  explicit Stage(const StageOptions& options = {});

  // What the coordinator can use.
  [[nodiscard]] const Credentials& played(const std::string& site) const { return played_.at(site); }
  [[nodiscard]] const std::vector<std::string>& sites() const { return sites_; }
  /// An authority with the consortium's true root, whose certificates are on no list.
  Minting& corrupt_authority() { return *corrupt_; }
  /// An authority with a root of its own.
  Minting& foreign_authority() { return *foreign_; }
  void revoke(const std::string& site);
  [[nodiscard]] std::filesystem::path key_of(const std::string& site) const {
    return federation_.folder / (site + ".key");
  }
  [[nodiscard]] std::shared_ptr<const pki::TrustStore> trust() const { return trust_; }
  crypto::SystemRandom& random() { return random_; }

  /// Returns the masked job of all sites, or of some; on the population if the roster has one.
  [[nodiscard]] job::JobSpec job() const { return options_.groups.empty() ? job(sites_) : job(terms()); }
  /// Returns what north's roster says about the population.
  [[nodiscard]] job::PopulationTerms terms() const;
  /// Returns a job on a population, which can be a lie.
  [[nodiscard]] job::JobSpec job(job::PopulationTerms terms) const;
  [[nodiscard]] job::JobSpec job(const std::vector<std::string>& sites) const;
  /// Stores a model that north can fetch; another number gives another model.
  crypto::Digest model(std::size_t number);
  /// Stores bytes that north can fetch.
  crypto::Digest put(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t model_bytes() const;

  // What the coordinator does.
  void send(const wire::CoordinatorMessage& message) { federation_.service->send(kNorth, message); }
  /// Signs a job as a researcher, for the coordinator that north is connected to or for another one.
  [[nodiscard]] static job::JobSignature sign(const Credentials& researcher, const crypto::Digest& digest,
                                              std::chrono::seconds valid_for = std::chrono::hours(1),
                                              const std::string& coordinator = "spiffe://lung/coordinator/hub");
  /// The researcher whose jobs the coordinator offers to north, and who is on north's roster.
  [[nodiscard]] const Credentials& ada() const { return ada_; }
  /// Certifies a researcher. North's roster doesn't list a researcher who is certified after its file was written.
  Credentials researcher(const std::string& name);
  /// Sends an offer and returns north's first answer to it.
  wire::JobAnswer answer_to(const wire::JobOffer& offer);
  /// Offers a job that ada signed, and approves it at north if it waits. Returns whether north takes part.
  bool offer(const std::string& job_id, const job::JobSpec& job);
  void expect_upload(const job::SessionKey& key, std::uint64_t words);
  /// Breaks the connection, and waits until the client has made another.
  void cut_connection();
  /// Kills the client and restarts it. Returns once it is connected.
  void restart_client();
  void kill_client();
  void start_client();
  /// Gives north other data, on which the same training gives another update.
  void change_data();
  /// Gives north other numbers of examples.
  /// @param classes  every so many examples have label 0, the others 1
  void give_data(std::size_t training, std::size_t validation = kValidation, std::size_t classes = 2);

  // North's observable behaviour in this session.
  /// Returns its next message; nullopt if it refused the session, or nothing arrives within `patience`.
  std::optional<secagg::SiteMessage> next_answer(const job::SessionKey& key,
                                                 std::chrono::milliseconds patience = std::chrono::minutes(1));
  std::optional<std::vector<std::uint32_t>> upload(const job::SessionKey& key);
  /// Returns its next message of this kind that `matches` accepts; nullopt if none arrives within `patience`.
  template <class Message, class Matches>
  std::optional<Message> next(const Matches& matches, std::chrono::milliseconds patience = std::chrono::seconds(20));
  std::optional<wire::SessionFailed> refusal(const job::SessionKey& key);
  /// Returns everything that north has sent on its stream so far.
  std::vector<wire::SiteMessage> said();
  /// Returns all vectors that it uploaded.
  std::map<std::string, std::vector<std::uint32_t>> uploads();
  /// Waits briefly for a line of the client's log.
  bool logged(const std::string& text);
  [[nodiscard]] const std::filesystem::path& folder() const { return federation_.folder.path(); }
  ClientProcess& client() { return *client_; }
  std::string log() { return client_->log(); }

 private:
  void configure();
  void write_data(int seed);
  void await_connection();
  wire::JobAnswer next_job_answer(const std::string& job_id, std::size_t after);

  testing::Federation federation_;
  StageOptions options_;
  std::vector<std::string> sites_;
  std::map<std::string, Credentials> played_;
  job::Roster roster_;
  Credentials ada_;
  std::optional<Minting> corrupt_, foreign_;
  std::shared_ptr<const pki::TrustStore> trust_;
  crypto::SystemRandom random_;
  std::map<job::SessionKey, std::size_t> taken_;
  std::map<std::size_t, std::set<std::size_t>> shown_;  ///< places of messages that next() returned, by kind
  std::optional<ClientProcess> client_;
};

template <class Message, class Matches>
std::optional<Message> Stage::next(const Matches& matches, std::chrono::milliseconds patience) {
  std::set<std::size_t>& shown = shown_[wire::SiteMessage(Message{}).index()];
  const auto due = std::chrono::steady_clock::now() + patience;
  do {
    const std::vector<wire::SiteMessage> messages = said();
    for (std::size_t place = 0; place < messages.size(); ++place) {
      const auto* message = std::get_if<Message>(&messages[place]);
      if (message == nullptr || shown.contains(place) || !matches(*message)) continue;
      shown.insert(place);
      return *message;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  } while (std::chrono::steady_clock::now() < due && client_->running());
  return std::nullopt;
}

}  // namespace consilium::rogue
