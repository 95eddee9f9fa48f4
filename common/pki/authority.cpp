#include "common/pki/authority.h"

#include <algorithm>
#include <ctime>

#include "common/crypto/issue.h"
#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "common/pki/index.h"

namespace consilium::pki {
namespace {

constexpr std::time_t kClockSkew = 3600;  // a peer's clock may lag by an hour
constexpr std::chrono::days kLongestRoot{36500};
constexpr std::size_t kMaxHosts = 64;

std::filesystem::path index_in(const std::filesystem::path& folder) { return folder / "index.json"; }
std::filesystem::path root_in(const std::filesystem::path& folder) { return folder / "root.pem"; }
std::filesystem::path key_in(const std::filesystem::path& folder) { return folder / "root.key"; }
std::filesystem::path list_in(const std::filesystem::path& folder) { return folder / "crl.pem"; }

/// The root's certificate and key, loaded for one operation. The key is wiped when it is freed.
struct Root {
  crypto::CertificatePtr certificate;
  crypto::KeyPtr key;
  std::time_t not_after = 0;
};

Result<std::time_t> end_of(const X509* certificate) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &parts) != 1) {
    return fail(crypto::openssl_error(ErrorCode::kInvalidArgument, "its end of validity cannot be read"));
  }
  return timegm(&parts);
}

Result<Root> load_root(const std::filesystem::path& folder) {
  CONSILIUM_ASSIGN(const std::string pem, files::read_file(root_in(folder), crypto::kMaxPemBytes));
  CONSILIUM_ASSIGN(std::string key_pem, files::read_private_file(key_in(folder), crypto::kMaxPemBytes));
  auto certificate = crypto::read_certificate(pem);
  auto key = crypto::read_private_key(key_pem);
  crypto::wipe(key_pem);
  if (!certificate) {
    return fail(certificate.error().within(root_in(folder).string()));
  }
  if (!key) {
    return fail(key.error().within(key_in(folder).string()));
  }
  if (EVP_PKEY_eq(X509_get0_pubkey(certificate->get()), key->get()) != 1) {
    return fail(
        crypto::openssl_error(ErrorCode::kInvalidArgument, key_in(folder).string() + ": is not the key of root.pem"));
  }
  CONSILIUM_ASSIGN(const std::time_t end, end_of(certificate->get()));
  return Root{std::move(*certificate), std::move(*key), end};
}

/// Writes crl.pem from the index. Call it after writing the index.
Result<void> write_revocation_list(const std::filesystem::path& folder, const Root& root, const Index& index) {
  std::vector<crypto::Revoked> revoked;
  for (const IndexEntry& entry : index.certificates) {
    if (entry.revoked_at != 0) {
      revoked.push_back({entry.serial, entry.revoked_at});
    }
  }
  CONSILIUM_ASSIGN(const crypto::RevocationListPtr list,
                   crypto::issue_revocation_list(revoked, index.list_number, std::time(nullptr) - kClockSkew,
                                                 index.list_end, root.certificate.get(), root.key.get()));
  CONSILIUM_ASSIGN(const std::string pem, crypto::to_pem(list.get()));
  return files::replace_file(list_in(folder), pem);
}

/// Gives the list its next number and end, then writes the index and the list. A list ends soon, so that a member who
/// no longer receives new ones notices. It doesn't outlive the root.
Result<void> write_next_list(const std::filesystem::path& folder, const Root& root, Index& index) {
  ++index.list_number;
  index.list_end =
      std::min<std::time_t>(std::time(nullptr) + std::chrono::seconds(index.list_validity).count(), root.not_after);
  CONSILIUM_TRY(write_index(index_in(folder), index));
  return write_revocation_list(folder, root, index);
}

Result<Root> make_root(const std::string& consortium, std::chrono::days validity) {
  Root root;
  CONSILIUM_ASSIGN(root.key, crypto::make_key());
  crypto::CertificateContents contents;
  CONSILIUM_ASSIGN(contents.serial, crypto::random_serial());
  contents.common_name = consortium;
  contents.organisation = "Consilium";
  contents.unit = "root";
  contents.authority = true;
  const std::time_t now = std::time(nullptr);
  contents.not_before = now - kClockSkew;
  contents.not_after = root.not_after = now + std::chrono::seconds(validity).count();
  CONSILIUM_ASSIGN(root.certificate, crypto::issue_certificate(contents, root.key.get(), nullptr, root.key.get()));
  return root;
}

Result<void> check_hosts(const Identity& identity, const std::vector<std::string>& hosts) {
  if (identity.role != Role::kCoordinator) {
    if (!hosts.empty()) {
      return fail(ErrorCode::kInvalidArgument, "only a coordinator's certificate carries hosts, this one is for a " +
                                                   std::string(name_of(identity.role)));
    }
    return {};
  }
  if (hosts.empty() || hosts.size() > kMaxHosts) {
    return fail(ErrorCode::kInvalidArgument,
                "a coordinator's certificate carries 1 to " + std::to_string(kMaxHosts) + " hosts, found " +
                    std::to_string(hosts.size()) +
                    ": clients refuse a coordinator whose certificate doesn't carry the host that they connect to; "
                    "give each DNS name and IP address by which they reach it, e.g. --host fl.example.org");
  }
  for (const std::string& host : hosts) {
    CONSILIUM_TRY(crypto::check_host(host));
  }
  return {};
}

bool in_force(const IndexEntry& entry) { return entry.revoked_at == 0 && entry.not_after > std::time(nullptr); }

/// Checks that the name has no other key. A second key for a name in force could impersonate the first.
Result<void> check_name_is_free(const Index& index, const Identity& identity, const std::string& fingerprint) {
  for (const IndexEntry& entry : index.certificates) {
    if (entry.role == identity.role && entry.name == identity.name && in_force(entry) &&
        entry.fingerprint != fingerprint) {
      return fail(ErrorCode::kAlreadyExists, to_uri(identity) + " holds a certificate for another key until " +
                                                 to_iso(entry.not_after) +
                                                 "; revoke it first: consilium ca revoke --role " +
                                                 std::string(name_of(identity.role)) + " --name " + identity.name);
    }
  }
  return {};
}

/// Checks that the key has no other name. Otherwise the holder of the key could act under both names.
Result<void> check_key_is_free(const Index& index, const Identity& identity, const std::string& fingerprint,
                               Authority::RevokedKey revoked_key) {
  for (const IndexEntry& entry : index.certificates) {
    if (entry.fingerprint != fingerprint) {
      continue;
    }
    const std::string holder = std::string(name_of(entry.role)) + " '" + entry.name + "'";
    if (in_force(entry) && (entry.role != identity.role || entry.name != identity.name)) {
      return fail(ErrorCode::kAlreadyExists, "the request's key is that of " + holder + ", in force until " +
                                                 to_iso(entry.not_after) + "; every name has a key of its own: let " +
                                                 identity.name + " make a new key and request");
    }
    if (entry.revoked_at != 0 && revoked_key == Authority::RevokedKey::kRefuse) {
      return fail(ErrorCode::kFailedPrecondition,
                  "the request's key was revoked on " + to_iso(entry.revoked_at) + ", when it was the key of " +
                      holder +
                      ". If it was stolen, the thief could use the new certificate. Ask for a new key and request; if "
                      "you are sure that nobody else has the key, sign it with --again");
    }
  }
  return {};
}

crypto::CertificateContents contents_for(const Identity& identity, const std::vector<std::string>& hosts,
                                         std::chrono::seconds validity) {
  crypto::CertificateContents contents;
  contents.common_name = identity.name;
  contents.unit = name_of(identity.role);
  contents.organisation = identity.consortium;
  contents.server = identity.role == Role::kCoordinator;
  contents.uri = to_uri(identity);
  contents.hosts = hosts;
  const std::time_t now = std::time(nullptr);
  contents.not_after = now + validity.count();
  contents.not_before = std::min(now, contents.not_after) - kClockSkew;
  return contents;
}

}  // namespace

Result<Authority> Authority::create(const std::filesystem::path& folder, const std::string& consortium,
                                    std::chrono::days validity, std::chrono::days list_validity) {
  CONSILIUM_TRY(check_name(consortium));
  if (validity.count() < 1 || validity > kLongestRoot) {
    return fail(ErrorCode::kInvalidArgument, "a root is valid for 1 to " + std::to_string(kLongestRoot.count()) +
                                                 " days, found " + std::to_string(validity.count()));
  }
  CONSILIUM_TRY(files::make_private_folder(folder));
  CONSILIUM_ASSIGN(const files::FolderLock lock, files::FolderLock::take(folder));
  std::error_code ignored;
  if (std::filesystem::exists(root_in(folder), ignored) || std::filesystem::exists(index_in(folder), ignored)) {
    return fail(ErrorCode::kAlreadyExists, folder.string() + ": holds an authority already; choose another folder");
  }
  CONSILIUM_ASSIGN(const Root root, make_root(consortium, validity));
  CONSILIUM_ASSIGN(std::string key_pem, crypto::private_key_to_pem(root.key.get()));
  auto created = files::create_private_file(key_in(folder), key_pem);
  crypto::wipe(key_pem);
  CONSILIUM_TRY(created);
  CONSILIUM_TRY(files::make_private_folder(folder / "issued"));
  CONSILIUM_ASSIGN(const std::string pem, crypto::to_pem(root.certificate.get()));
  CONSILIUM_TRY(files::replace_file(root_in(folder), pem));
  Index index;
  index.consortium = consortium;
  index.list_validity = list_validity;
  CONSILIUM_TRY(write_next_list(folder, root, index));
  return open(folder);
}

Result<Authority> Authority::open(const std::filesystem::path& folder) {
  auto index = read_index(index_in(folder));
  if (!index && index.error().code == ErrorCode::kNotFound) {
    return fail(ErrorCode::kNotFound, folder.string() + ": holds no authority; make one with: consilium ca init " +
                                          folder.string() + " --name CONSORTIUM");
  }
  if (!index) {
    return fail(index.error());
  }
  Authority authority;
  authority.folder_ = folder;
  authority.consortium_ = index->consortium;
  return authority;
}

Result<std::string> Authority::sign(const std::string& csr_pem, const Identity& identity,
                                    const std::vector<std::string>& hosts, std::chrono::seconds validity,
                                    RevokedKey revoked_key) {
  CONSILIUM_TRY(check_name(identity.name));
  if (identity.consortium != consortium_) {
    return fail(ErrorCode::kInvalidArgument,
                "this authority signs for '" + consortium_ + "', not for '" + identity.consortium + "'");
  }
  CONSILIUM_TRY(check_hosts(identity, hosts));
  auto request = crypto::read_request(csr_pem);
  if (!request) {
    return fail(request.error().within("the certificate request"));
  }
  CONSILIUM_ASSIGN(const files::FolderLock lock, files::FolderLock::take(folder_));
  CONSILIUM_ASSIGN(const Root root, load_root(folder_));
  CONSILIUM_ASSIGN(Index index, read_index(index_in(folder_)));
  CONSILIUM_ASSIGN(const crypto::Digest digest, crypto::fingerprint(X509_REQ_get_X509_PUBKEY(request->get())));
  const std::string fingerprint = crypto::to_hex(digest);
  CONSILIUM_TRY(check_name_is_free(index, identity, fingerprint));
  CONSILIUM_TRY(check_key_is_free(index, identity, fingerprint, revoked_key));
  crypto::CertificateContents contents = contents_for(identity, hosts, validity);
  if (contents.not_after > root.not_after) {
    return fail(ErrorCode::kInvalidArgument,
                "the certificate would outlive the root, which ends " + to_iso(root.not_after));
  }
  CONSILIUM_ASSIGN(contents.serial, crypto::random_serial());
  CONSILIUM_ASSIGN(const crypto::CertificatePtr certificate,
                   crypto::issue_certificate(contents, X509_REQ_get0_pubkey(request->get()), root.certificate.get(),
                                             root.key.get()));
  CONSILIUM_ASSIGN(std::string pem, crypto::to_pem(certificate.get()));
  // Write the index first: it must be possible to revoke every certificate that has been issued.
  index.certificates.push_back({identity.role, identity.name, contents.serial, contents.not_after, fingerprint, 0});
  CONSILIUM_TRY(write_index(index_in(folder_), index));
  CONSILIUM_TRY(files::replace_file(
      folder_ / "issued" / (std::string(name_of(identity.role)) + "-" + identity.name + ".pem"), pem));
  return pem;
}

Result<void> Authority::revoke(Role role, const std::string& name) {
  CONSILIUM_ASSIGN(const files::FolderLock lock, files::FolderLock::take(folder_));
  CONSILIUM_ASSIGN(const Root root, load_root(folder_));
  CONSILIUM_ASSIGN(Index index, read_index(index_in(folder_)));
  bool found = false;
  for (IndexEntry& entry : index.certificates) {
    if (entry.role == role && entry.name == name) {
      found = true;
      entry.revoked_at = entry.revoked_at != 0 ? entry.revoked_at : std::time(nullptr);
    }
  }
  if (!found) {
    return fail(ErrorCode::kNotFound, "no certificate was issued to " + std::string(name_of(role)) + " '" + name +
                                          "'; see what was: consilium ca list");
  }
  // Revoking again writes the list again, which repairs the state after a crash between the two writes.
  return write_next_list(folder_, root, index);
}

Result<Authority::ListState> Authority::list_state() const {
  CONSILIUM_ASSIGN(const Index index, read_index(index_in(folder_)));
  return ListState{index.list_number, index.list_end};
}

Result<Authority::ListState> Authority::renew_list(std::optional<std::chrono::days> validity, std::uint64_t above) {
  CONSILIUM_ASSIGN(const files::FolderLock lock, files::FolderLock::take(folder_));
  CONSILIUM_ASSIGN(const Root root, load_root(folder_));
  CONSILIUM_ASSIGN(Index index, read_index(index_in(folder_)));
  index.list_validity = validity.value_or(index.list_validity);
  index.list_number = std::max(index.list_number, above);
  CONSILIUM_TRY(write_next_list(folder_, root, index));
  return ListState{index.list_number, index.list_end};
}

Result<std::vector<Authority::Issued>> Authority::list() const {
  CONSILIUM_ASSIGN(const Index index, read_index(index_in(folder_)));
  std::vector<Issued> issued;
  for (const IndexEntry& entry : index.certificates) {
    issued.push_back({Identity{index.consortium, entry.role, entry.name}, entry.serial, to_iso(entry.not_after),
                      entry.fingerprint, entry.revoked_at != 0});
  }
  return issued;
}

}  // namespace consilium::pki
