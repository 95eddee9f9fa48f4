#include "client/masking/agreements.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "common/files/files.h"
#include "common/job/cohort_rules.h"
#include "common/secagg/roster_authenticator.h"

namespace consilium::masking {
namespace {

/// Maximum size of an agreement's state: 255 sites' boxes and certificates.
constexpr std::size_t kMaxState = std::size_t{4} << 20;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// A saved state: the try's number and a line break, followed by the sealed bytes.
struct Saved {
  std::uint32_t attempt = 0;
  std::string sealed;
};

std::optional<Saved> read_saved(const std::filesystem::path& file) {
  std::error_code problem;
  if (!std::filesystem::exists(file, problem)) return std::nullopt;
  const auto text = files::read_file(file, kMaxState);
  if (!text) return std::nullopt;
  Saved saved;
  const std::size_t line = text->find('\n');
  if (line == std::string::npos) return std::nullopt;
  std::from_chars(text->data(), text->data() + line, saved.attempt);
  saved.sealed = text->substr(line + 1);
  return saved;
}

}  // namespace

std::filesystem::path Agreements::file_of(const crypto::Digest& digest) const {
  return folder_ / (crypto::to_hex(digest) + ".agreement");
}

Result<void> Agreements::save(const crypto::Digest& digest, const Try& one) const {
  CONSILIUM_ASSIGN(const crypto::SecretBytes key, secret_.agreement_key(digest));
  CONSILIUM_ASSIGN(const std::vector<std::byte> sealed, one.site->sealed(key));
  return files::replace_file(file_of(digest), fmt::format("{}\n{}", one.attempt, text_of(sealed)));
}

Result<Agreements::Try> Agreements::start(const job::JobSpec& job, const crypto::Digest& digest,
                                          std::uint32_t attempt) {
  Try one{attempt, std::make_unique<secagg::RosterAuthenticator>(trust_.authorities, job.federation.roster), nullptr,
          std::nullopt};
  CONSILIUM_ASSIGN(one.signer, pki::make_file_signer(trust_.key));
  secagg::AgreementSiteSetup setup{
      {digest, attempt, job::count_groups(job), job::colluding_sites(job)}, trust_.site, {}};
  CONSILIUM_ASSIGN(setup.certificate, files::read_file(trust_.certificate, secagg::kMaxCertificateBytes));
  if (const auto saved = read_saved(file_of(digest)); saved && saved->attempt >= attempt) {
    if (saved->attempt > attempt) {
      return fail(ErrorCode::kPermissionDenied,
                  fmt::format("try {} of the agreement refused: try {} has already begun", attempt, saved->attempt));
    }
    if (saved->sealed.empty()) {
      return fail(ErrorCode::kPermissionDenied,
                  fmt::format("try {} of the agreement refused: this site has given it up", attempt));
    }
    CONSILIUM_ASSIGN(const crypto::SecretBytes key, secret_.agreement_key(digest));
    auto restored = secagg::AgreementSite::restore(std::as_bytes(std::span(saved->sealed)), key, std::move(setup),
                                                   *one.authenticator, *one.signer, random_);
    if (!restored) return fail(restored.error());
    one.site = *std::move(restored);
    return one;
  }
  auto fresh = secagg::AgreementSite::start(std::move(setup), *one.authenticator, *one.signer, random_);
  if (!fresh) return fail(fresh.error());
  one.site = *std::move(fresh);
  return one;
}

Result<void> Agreements::check_open(const crypto::Digest& digest) const {
  CONSILIUM_ASSIGN(const auto census, ledger_.committed_model({digest, job::SumKind::kCensus, 0}));
  if (census) {
    return fail(ErrorCode::kPermissionDenied,
                "the job's census is committed, so its key can't change any more");  // check: agreement-closed
  }
  return {};
}

Result<std::vector<std::byte>> Agreements::begin(const job::JobSpec& job, const crypto::Digest& digest,
                                                 std::uint32_t attempt) {
  CONSILIUM_TRY(check_open(digest));
  auto found = tries_.find(digest);
  if (found != tries_.end() && found->second.attempt > attempt) {
    return fail(ErrorCode::kPermissionDenied, fmt::format("try {} of the agreement refused: try {} has already begun",
                                                          attempt, found->second.attempt));
  }
  if (found == tries_.end() || found->second.attempt != attempt) {
    CONSILIUM_ASSIGN(Try one, start(job, digest, attempt));
    CONSILIUM_TRY(save(digest, one));
    found = tries_.insert_or_assign(digest, std::move(one)).first;
  }
  return secagg::encode(secagg::AgreementSiteMessage(found->second.site->advert()));
}

Result<std::vector<std::byte>> Agreements::receive(const crypto::Digest& digest, std::uint32_t attempt,
                                                   std::span<const std::byte> message) {
  const auto found = tries_.find(digest);
  if (found == tries_.end() || found->second.attempt != attempt)
    return fail(ErrorCode::kFailedPrecondition, fmt::format("this site isn't in try {} of the agreement", attempt));
  // A try may have begun before the census was committed, while its last message arrives after that.
  const auto open = check_open(digest);
  auto answered = open ? answer(digest, found->second, message) : fail(open.error());
  if (answered) return answered;
  tries_.erase(found);
  CONSILIUM_TRY(give_up(digest, attempt));  // check: agreement-given-up
  return answered;
}

Result<void> Agreements::give_up(const crypto::Digest& digest, std::uint32_t attempt) const {
  return files::replace_file(file_of(digest), fmt::format("{}\n", attempt));
}

Result<std::vector<std::byte>> Agreements::answer(const crypto::Digest& digest, Try& one,
                                                  std::span<const std::byte> message) {
  CONSILIUM_ASSIGN(const auto decoded, secagg::decode_agreement_coordinator_message(message));
  CONSILIUM_ASSIGN(const std::optional<secagg::AgreementSiteMessage> said, one.site->receive(decoded));
  CONSILIUM_TRY(save(digest, one));
  if (const crypto::SecretBytes* key = one.site->key()) {
    // A later try replaces the key of the previous one, as long as nothing is committed.
    auto kept = keys_.keep(digest, *key);
    if (!kept && kept.error().code == ErrorCode::kPermissionDenied) {
      CONSILIUM_ASSIGN(const crypto::SecretBytes before, keys_.key(digest));
      if (!crypto::equal_in_constant_time(before.bytes(), key->bytes())) CONSILIUM_TRY(keys_.forget(digest));
      kept = crypto::equal_in_constant_time(before.bytes(), key->bytes()) ? Result<void>() : keys_.keep(digest, *key);
    }
    CONSILIUM_TRY(kept);
  }
  return said ? secagg::encode(*said) : std::vector<std::byte>();
}

void Agreements::end(const crypto::Digest& digest) {
  tries_.erase(digest);
  const auto saved = read_saved(file_of(digest));
  if (!saved) return;
  // If writing fails, the state stays as it was: the try can then be resumed, as after a restart, but not begun again.
  static_cast<void>(give_up(digest, saved->attempt));  // check: agreement-ended
}

}  // namespace consilium::masking
