#include "common/crypto/issue.h"

#include <arpa/inet.h>

#include <array>
#include <cctype>

#include "common/crypto/random_source.h"
#include "common/crypto/sha256.h"

namespace consilium::crypto {
namespace {

Error trouble(std::string_view what) { return openssl_error(ErrorCode::kInternal, what); }

Result<IntegerPtr> to_integer(const std::string& hex) {
  BIGNUM* raw = nullptr;
  const int digits = BN_hex2bn(&raw, hex.c_str());
  const BigNumberPtr number(raw);
  if (hex.empty() || hex.size() > 40 || digits != static_cast<int>(hex.size()) || BN_is_negative(raw) ||
      BN_is_zero(raw)) {
    return fail(ErrorCode::kInvalidArgument, "'" + hex.substr(0, 48) + "' is not a serial number in hexadecimal");
  }
  IntegerPtr integer(BN_to_ASN1_INTEGER(number.get(), nullptr));
  if (!integer) {
    return fail(trouble("a serial number could not be written"));
  }
  return integer;
}

bool add_entry(X509_NAME* name, const char* field, const std::string& value) {
  return value.empty() ||
         X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                    static_cast<int>(value.size()), -1, 0) == 1;
}

bool push_text_name(GENERAL_NAMES* names, int type, const std::string& text) {
  ASN1_IA5STRING* value = ASN1_IA5STRING_new();
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr || ASN1_STRING_set(value, text.data(), static_cast<int>(text.size())) != 1) {
    ASN1_IA5STRING_free(value);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, type, value);
  if (sk_GENERAL_NAME_push(names, name) <= 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  return true;
}

bool push_host(GENERAL_NAMES* names, const std::string& host) {
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  if (address == nullptr) {
    return push_text_name(names, GEN_DNS, host);
  }
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (name == nullptr) {
    ASN1_OCTET_STRING_free(address);
    return false;
  }
  GENERAL_NAME_set0_value(name, GEN_IPADD, address);
  if (sk_GENERAL_NAME_push(names, name) <= 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  return true;
}

Result<NamesPtr> build_names(const std::string& uri, const std::vector<std::string>& hosts) {
  NamesPtr names(sk_GENERAL_NAME_new_null());
  bool good = names && push_text_name(names.get(), GEN_URI, uri);
  for (const std::string& host : hosts) {
    CONSILIUM_TRY(check_host(host));
    good = good && push_host(names.get(), host);
  }
  if (!good) {
    return fail(trouble("the subject's names could not be written"));
  }
  return names;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
  return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Result<void> add_extensions(X509* certificate, X509* issuer, const CertificateContents& contents) {
  bool good = add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  if (contents.authority) {
    good = good && add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add_extension(certificate, issuer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else {
    CONSILIUM_ASSIGN(const NamesPtr names, build_names(contents.uri, contents.hosts));
    good = good && add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always") &&
           add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, issuer, NID_ext_key_usage, contents.server ? "serverAuth" : "clientAuth") &&
           X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1;
  }
  if (!good) {
    return fail(trouble("a certificate's extensions could not be written"));
  }
  return {};
}

TimePtr to_time(std::time_t seconds) { return TimePtr(ASN1_TIME_set(nullptr, seconds)); }

bool add_revoked(X509_CRL* list, const Revoked& entry, const IntegerPtr& serial) {
  X509_REVOKED* revoked = X509_REVOKED_new();
  const TimePtr when = to_time(entry.when);
  if (revoked == nullptr || !when || X509_REVOKED_set_serialNumber(revoked, serial.get()) != 1 ||
      X509_REVOKED_set_revocationDate(revoked, when.get()) != 1 || X509_CRL_add0_revoked(list, revoked) != 1) {
    X509_REVOKED_free(revoked);
    return false;
  }
  return true;
}

bool add_list_extensions(X509_CRL* list, X509* issuer, std::uint64_t number) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, nullptr, nullptr, list, 0);
  const ExtensionPtr key(X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
  const IntegerPtr value(ASN1_INTEGER_new());
  return key && X509_CRL_add_ext(list, key.get(), -1) == 1 && value &&
         ASN1_INTEGER_set_uint64(value.get(), number) == 1 &&
         X509_CRL_add1_ext_i2d(list, NID_crl_number, value.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

}  // namespace

Result<CertificatePtr> issue_certificate(const CertificateContents& contents, EVP_PKEY* subject_key, X509* issuer,
                                         EVP_PKEY* issuer_key) {
  CONSILIUM_ASSIGN(const IntegerPtr serial, to_integer(contents.serial));
  CertificatePtr certificate(X509_new());
  const TimePtr begin = to_time(contents.not_before);
  const TimePtr end = to_time(contents.not_after);
  if (!certificate || !begin || !end) {
    return fail(trouble("a certificate could not be made"));
  }
  X509* raw = certificate.get();
  X509_NAME* subject = X509_get_subject_name(raw);
  if (X509_set_version(raw, X509_VERSION_3) != 1 || X509_set_serialNumber(raw, serial.get()) != 1 ||
      X509_set1_notBefore(raw, begin.get()) != 1 || X509_set1_notAfter(raw, end.get()) != 1 ||
      !add_entry(subject, "O", contents.organisation) || !add_entry(subject, "OU", contents.unit) ||
      !add_entry(subject, "CN", contents.common_name) || X509_set_pubkey(raw, subject_key) != 1 ||
      X509_set_issuer_name(raw, issuer != nullptr ? X509_get_subject_name(issuer) : subject) != 1) {
    return fail(trouble("a certificate could not be filled in"));
  }
  CONSILIUM_TRY(add_extensions(raw, issuer != nullptr ? issuer : raw, contents));
  if (X509_sign(raw, issuer_key, EVP_sha256()) <= 0) {
    return fail(trouble("a certificate could not be signed"));
  }
  return certificate;
}

Result<RequestPtr> issue_request(const std::string& common_name, const std::string& uri, EVP_PKEY* key) {
  RequestPtr request(X509_REQ_new());
  CONSILIUM_ASSIGN(const NamesPtr names, build_names(uri, {}));
  STACK_OF(X509_EXTENSION)* extensions = nullptr;
  const bool good = request && X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) == 1 &&
                    add_entry(X509_REQ_get_subject_name(request.get()), "CN", common_name) &&
                    X509_REQ_set_pubkey(request.get(), key) == 1 &&
                    X509V3_add1_i2d(&extensions, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) == 1 &&
                    X509_REQ_add_extensions(request.get(), extensions) == 1 &&
                    X509_REQ_sign(request.get(), key, EVP_sha256()) > 0;
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  if (!good) {
    return fail(trouble("a certificate request could not be made"));
  }
  return request;
}

Result<RevocationListPtr> issue_revocation_list(const std::vector<Revoked>& revoked, std::uint64_t number,
                                                std::time_t last_update, std::time_t next_update, X509* issuer,
                                                EVP_PKEY* issuer_key) {
  RevocationListPtr list(X509_CRL_new());
  const TimePtr last = to_time(last_update);
  const TimePtr next = to_time(next_update);
  if (!list || !last || !next || X509_CRL_set_version(list.get(), X509_CRL_VERSION_2) != 1 ||
      X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(issuer)) != 1 ||
      X509_CRL_set1_lastUpdate(list.get(), last.get()) != 1 || X509_CRL_set1_nextUpdate(list.get(), next.get()) != 1) {
    return fail(trouble("a revocation list could not be made"));
  }
  for (const Revoked& entry : revoked) {
    CONSILIUM_ASSIGN(const IntegerPtr serial, to_integer(entry.serial));
    if (!add_revoked(list.get(), entry, serial)) {
      return fail(trouble("a revocation could not be listed"));
    }
  }
  if (!add_list_extensions(list.get(), issuer, number) || X509_CRL_sort(list.get()) != 1 ||
      X509_CRL_sign(list.get(), issuer_key, EVP_sha256()) <= 0) {
    return fail(trouble("a revocation list could not be signed"));
  }
  return list;
}

Result<std::string> random_serial() {
  std::array<std::uint8_t, 16> bytes{};
  do {
    CONSILIUM_TRY(SystemRandom().fill(bytes));
  } while (bytes[0] == 0);  // full length, so that the text is canonical for the number
  return to_hex(bytes);
}

Result<void> check_host(const std::string& host) {
  std::array<unsigned char, 16> address{};
  if (inet_pton(AF_INET, host.c_str(), address.data()) == 1 || inet_pton(AF_INET6, host.c_str(), address.data()) == 1) {
    return {};
  }
  bool good = !host.empty() && host.size() <= 253;
  std::size_t label = 0;
  bool numeric = true;  // whether the last label is: 300.1.1.1 is a mistyped address, not a name
  for (std::size_t i = 0; good && i <= host.size(); ++i) {
    if (i == host.size() || host[i] == '.') {
      good = label > 0 && label <= 63 && host[i - 1] != '-';
      label = 0;
      numeric = i == host.size() ? numeric : true;
      continue;
    }
    const auto letter = static_cast<unsigned char>(host[i]);
    good = letter < 128 && (std::isalnum(letter) != 0 || (letter == '-' && label > 0));
    numeric = numeric && std::isdigit(letter) != 0;
    ++label;
  }
  if (!good || numeric) {
    return fail(ErrorCode::kInvalidArgument, "'" + host.substr(0, 64) + "' is neither a DNS name nor an IP address");
  }
  return {};
}

}  // namespace consilium::crypto
