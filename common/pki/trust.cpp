#include "common/pki/trust.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <sys/stat.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <tuple>

#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "common/pki/authority.h"
#include "common/pki/index.h"
#include "common/pki/list_memory.h"

namespace consilium::pki {
namespace {

/// The metadata by which a change of a file is noticed.
using FileState = std::tuple<ino_t, off_t, time_t, long, time_t, long>;

std::optional<FileState> state_of(const std::filesystem::path& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return FileState{status.st_ino,          status.st_size,        status.st_mtim.tv_sec,
                   status.st_mtim.tv_nsec, status.st_ctim.tv_sec, status.st_ctim.tv_nsec};
}

/// A root and a list as they were read. Immutable after that.
struct Anchors {
  crypto::StorePtr store;
  std::string consortium;
  std::string fingerprint;  ///< of the root's key
  bool has_list = false;
  std::uint64_t list_number = 0;
  std::time_t list_end = 0;  ///< UTC seconds
};

constexpr std::time_t kWarnBefore = 7 * 86400;
constexpr std::time_t kWarnEvery = 86400;
constexpr const char* kWhomToAsk =
    "ask the consortium's certificate authority for a newer one (written with: consilium ca renew-list)";

Result<std::uint64_t> number_of(const X509_CRL* list) {
  const crypto::IntegerPtr integer(
      static_cast<ASN1_INTEGER*>(X509_CRL_get_ext_d2i(list, NID_crl_number, nullptr, nullptr)));
  std::uint64_t number = 0;
  if (!integer || ASN1_INTEGER_get_uint64(&number, integer.get()) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInvalidArgument, "the revocation list has no number"));
  }
  return number;
}

Result<std::time_t> end_of(const X509_CRL* list) {
  std::tm parts{};
  const ASN1_TIME* end = X509_CRL_get0_nextUpdate(list);
  if (end == nullptr || ASN1_TIME_to_tm(end, &parts) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInvalidArgument,
                                      std::string("the revocation list has no end (nextUpdate); ") + kWhomToAsk));
  }
  return timegm(&parts);
}

Result<std::string> common_name_of(const X509* certificate) {
  const X509_NAME* name = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
  const ASN1_STRING* value = at < 0 ? nullptr : X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
  if (value == nullptr) {
    return fail(ErrorCode::kInvalidArgument, "the root names no consortium");
  }
  std::string text(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                   static_cast<std::size_t>(ASN1_STRING_length(value)));
  CONSILIUM_TRY(check_name(text));
  return text;
}

Result<void> add_list(Anchors& anchors, X509* root, const std::string& pem) {
  CONSILIUM_ASSIGN(const crypto::RevocationListPtr list, crypto::read_revocation_list(pem));
  if (X509_CRL_verify(list.get(), X509_get0_pubkey(root)) != 1) {
    ERR_clear_error();
    return fail(ErrorCode::kUnauthenticated,
                "the revocation list is not signed by the root; take crl.pem and root.pem from the same authority");
  }
  CONSILIUM_ASSIGN(anchors.list_number, number_of(list.get()));
  CONSILIUM_ASSIGN(anchors.list_end, end_of(list.get()));
  anchors.has_list = true;
  if (X509_STORE_add_crl(anchors.store.get(), list.get()) != 1 ||
      X509_STORE_set_flags(anchors.store.get(), X509_V_FLAG_CRL_CHECK) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInternal, "the revocation list cannot be used"));
  }
  return {};
}

Result<std::shared_ptr<const Anchors>> read_anchors(const std::filesystem::path& root_file,
                                                    const std::filesystem::path& list_file) {
  CONSILIUM_ASSIGN(const std::string pem, files::read_file(root_file, crypto::kMaxPemBytes));
  auto root = crypto::read_certificate(pem);
  if (!root) {
    return fail(root.error().within(root_file.string()));
  }
  if (X509_check_ca(root->get()) != 1) {
    return fail(ErrorCode::kInvalidArgument,
                root_file.string() + ": is not an authority's certificate; expected the consortium's root.pem");
  }
  auto anchors = std::make_shared<Anchors>();
  auto consortium = common_name_of(root->get());
  if (!consortium) {
    return fail(consortium.error().within(root_file.string()));
  }
  anchors->consortium = *consortium;
  CONSILIUM_ASSIGN(const crypto::Digest key, crypto::fingerprint(X509_get_X509_PUBKEY(root->get())));
  anchors->fingerprint = crypto::to_hex(key);
  anchors->store.reset(X509_STORE_new());
  if (!anchors->store || X509_STORE_add_cert(anchors->store.get(), root->get()) != 1 ||
      X509_STORE_set_flags(anchors->store.get(), X509_V_FLAG_X509_STRICT) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInternal, "the root cannot be used"));
  }
  if (!list_file.empty()) {
    CONSILIUM_ASSIGN(const std::string list, files::read_file(list_file, crypto::kMaxRevocationListBytes));
    if (auto added = add_list(*anchors, root->get(), list); !added) {
      return fail(added.error().within(list_file.string()));
    }
  }
  return std::shared_ptr<const Anchors>(std::move(anchors));
}

Result<void> check_chain(const Anchors& anchors, X509* certificate, std::time_t now) {
  const crypto::StoreContextPtr context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), anchors.store.get(), certificate, nullptr) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInternal, "a certificate could not be checked"));
  }
  X509_STORE_CTX_set_time(context.get(), 0, now);
  if (X509_verify_cert(context.get()) != 1) {
    const int reason = X509_STORE_CTX_get_error(context.get());
    const bool foreign = reason == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY;
    return fail(crypto::openssl_error(ErrorCode::kUnauthenticated,
                                      std::string("the certificate is refused: ") +
                                          (foreign ? "it was signed by another authority than that of root.pem"
                                                   : X509_verify_cert_error_string(reason))));
  }
  return {};
}

/// Reads its files when they change. `mutex_` protects the data read from them.
class FileTrustStore final : public TrustStore {
 public:
  FileTrustStore(std::filesystem::path root, std::filesystem::path list, TrustOptions options)
      : root_(std::move(root)),
        list_(std::move(list)),
        clock_(std::move(options.clock)),
        memory_(std::move(options.memory)) {}

  /// Returns the present content of the files, or the reason why no certificate may be accepted.
  Result<std::shared_ptr<const Anchors>> anchors() const {
    const std::lock_guard lock(mutex_);
    CONSILIUM_TRY(refresh());
    CONSILIUM_TRY(check_not_ended(*anchors_));  // check: list-ended
    return anchors_;
  }

  Result<Identity> authenticate(const std::string& certificate_pem, const std::vector<Role>& roles) const override {
    CONSILIUM_ASSIGN(const std::shared_ptr<const Anchors> trusted, anchors());
    CONSILIUM_ASSIGN(Identity identity, identity_of_certificate(certificate_pem));
    CONSILIUM_ASSIGN(const crypto::CertificatePtr certificate, crypto::read_certificate(certificate_pem));
    if (auto good = check_chain(*trusted, certificate.get(), clock_()); !good) {
      return fail(ErrorCode::kUnauthenticated, to_uri(identity) + ": " + good.error().message);
    }
    if (identity.consortium != trusted->consortium) {
      return fail(ErrorCode::kUnauthenticated,
                  to_uri(identity) + ": belongs to another consortium than '" + trusted->consortium + "'");
    }
    const std::uint32_t needed = identity.role == Role::kCoordinator ? XKU_SSL_SERVER : XKU_SSL_CLIENT;
    if (X509_get_extended_key_usage(certificate.get()) != needed) {
      return fail(ErrorCode::kUnauthenticated, to_uri(identity) + ": its certificate is not meant for this use");
    }
    if (std::find(roles.begin(), roles.end(), identity.role) == roles.end()) {
      return fail(ErrorCode::kPermissionDenied,
                  to_uri(identity) + ": " + (identity.role == Role::kOperator ? "an " : "a ") +
                      std::string(name_of(identity.role)) + " is not allowed to connect here");
    }
    return identity;
  }

  Result<std::uint64_t> version() const override {
    CONSILIUM_TRY(anchors());
    const std::lock_guard lock(mutex_);
    return version_;
  }

  std::optional<std::string> warning_due() const override {
    const auto trusted = anchors();
    const std::time_t now = clock_();
    std::string warning;
    if (!trusted) {
      warning = trusted.error().message;
    } else if ((*trusted)->has_list && now >= (*trusted)->list_end - kWarnBefore) {
      warning = list_.string() + ": the revocation list ends " + to_iso((*trusted)->list_end) +
                ", and from then on all connections are refused: " + kWhomToAsk;
    }
    const std::lock_guard lock(mutex_);
    if (warning.empty() || (warning == last_warning_ && now < last_warned_ + kWarnEvery)) {
      return std::nullopt;
    }
    last_warning_ = warning;
    last_warned_ = now;
    return warning;
  }

 private:
  Result<void> check_not_ended(const Anchors& anchors) const {
    if (anchors.has_list && clock_() >= anchors.list_end) {
      return fail(ErrorCode::kFailedPrecondition,
                  list_.string() + ": the revocation list ended " + to_iso(anchors.list_end) +
                      "; all connections are refused, because the list may lack the newest revocations: " + kWhomToAsk);
    }
    return {};
  }

  Result<void> check_not_older(const Anchors& fresh) const {
    if (!fresh.has_list) {
      return {};
    }
    auto admitted = memory_.admit(fresh.fingerprint, fresh.list_number);
    return admitted ? admitted : fail(admitted.error().within(list_.string()));
  }

  /// Reads the files if they have changed. The caller must hold `mutex_`.
  Result<void> refresh() const {
    const auto now = std::pair(state_of(root_), list_.empty() ? std::nullopt : state_of(list_));
    if (anchors_ && now == seen_) {
      return {};
    }
    anchors_.reset();
    CONSILIUM_ASSIGN(std::shared_ptr<const Anchors> fresh, read_anchors(root_, list_));
    CONSILIUM_TRY(check_not_older(*fresh));  // check: list-older
    ++version_;
    anchors_ = std::move(fresh);
    seen_ = now;
    return {};
  }

  std::filesystem::path root_;
  std::filesystem::path list_;
  const std::function<std::time_t()> clock_;
  mutable std::mutex mutex_;
  mutable ListMemory memory_;
  mutable std::shared_ptr<const Anchors> anchors_;
  mutable std::pair<std::optional<FileState>, std::optional<FileState>> seen_;
  mutable std::uint64_t version_ = 0;
  mutable std::string last_warning_;
  mutable std::time_t last_warned_ = 0;
};

}  // namespace

Result<std::shared_ptr<TrustStore>> TrustStore::open(const std::filesystem::path& root,
                                                     const std::filesystem::path& revocation_list,
                                                     TrustOptions options) {
  auto store = std::make_shared<FileTrustStore>(root, revocation_list, std::move(options));
  CONSILIUM_TRY(store->anchors());
  return std::shared_ptr<TrustStore>(std::move(store));
}

Result<std::string> consortium_of_root(const std::string& root_pem) {
  CONSILIUM_ASSIGN(const crypto::CertificatePtr root, crypto::read_certificate(root_pem));
  if (X509_check_ca(root.get()) != 1)
    return fail(ErrorCode::kInvalidArgument,
                "this isn't an authority's certificate; expected the consortium's root.pem");
  return common_name_of(root.get());
}

Result<void> check_revocation_list(const std::string& root_pem, const std::string& list_pem) {
  CONSILIUM_ASSIGN(const crypto::CertificatePtr root, crypto::read_certificate(root_pem));
  Anchors anchors;
  anchors.store.reset(X509_STORE_new());
  if (!anchors.store) return fail(crypto::openssl_error(ErrorCode::kInternal, "the root cannot be used"));
  return add_list(anchors, root.get(), list_pem);
}

Result<void> check_certificate_host(const std::string& certificate_pem, const std::string& host) {
  CONSILIUM_ASSIGN(const crypto::CertificatePtr certificate, crypto::read_certificate(certificate_pem));
  if (host.empty() || (X509_check_ip_asc(certificate.get(), host.c_str(), 0) != 1 &&
                       X509_check_host(certificate.get(), host.data(), host.size(), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                       nullptr) != 1)) {
    return fail(crypto::openssl_error(ErrorCode::kUnauthenticated,
                                      "the certificate is not for host '" + host.substr(0, 255) + "'"));
  }
  return {};
}

Result<std::string> check_key_pair(const std::filesystem::path& certificate_file,
                                   const std::filesystem::path& key_file) {
  CONSILIUM_ASSIGN(std::string pem, files::read_file(certificate_file, crypto::kMaxPemBytes));
  auto certificate = crypto::read_certificate(pem);
  if (!certificate) {
    return fail(certificate.error().within(certificate_file.string()));
  }
  CONSILIUM_ASSIGN(std::string key_pem, files::read_private_file(key_file, crypto::kMaxPemBytes));
  auto key = crypto::read_private_key(key_pem);
  crypto::wipe(key_pem);
  if (!key) {
    return fail(key.error().within(key_file.string()));
  }
  if (EVP_PKEY_eq(X509_get0_pubkey(certificate->get()), key->get()) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInvalidArgument,
                                      key_file.string() + ": is not the key of " + certificate_file.string()));
  }
  return pem;
}

}  // namespace consilium::pki
