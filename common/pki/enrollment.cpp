#include "common/pki/enrollment.h"

#include "common/crypto/x509.h"
#include "common/files/files.h"
#include "common/pki/authority.h"

namespace consilium::pki {

Result<Enrollment> enroll(const Identity& identity, const std::filesystem::path& folder) {
  CONSILIUM_TRY(check_name(identity.consortium));
  CONSILIUM_TRY(check_name(identity.name));
  CONSILIUM_TRY(files::make_private_folder(folder));
  Enrollment done;
  done.key = folder / (identity.name + ".key");
  done.request = folder / (identity.name + ".csr");
  auto request = create_key_and_request(done.key, identity);
  if (!request && request.error().code == ErrorCode::kAlreadyExists) {
    return fail(ErrorCode::kAlreadyExists,
                done.key.string() +
                    ": this key already exists and is never overwritten; choose another folder, or move the key away");
  }
  if (!request) {
    return fail(request.error());
  }
  CONSILIUM_TRY(files::replace_file(done.request, *request));
  CONSILIUM_ASSIGN(done.fingerprint, request_fingerprint(*request));
  return done;
}

Result<std::string> request_fingerprint(const std::string& csr_pem) {
  CONSILIUM_ASSIGN(const crypto::RequestPtr request, crypto::read_request(csr_pem));
  CONSILIUM_ASSIGN(const crypto::Digest digest, crypto::fingerprint(X509_REQ_get_X509_PUBKEY(request.get())));
  return crypto::to_hex(digest);
}

Result<std::string> read_request_file(const std::filesystem::path& file) {
  return files::read_file(file, crypto::kMaxPemBytes);
}

}  // namespace consilium::pki
