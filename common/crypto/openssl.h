#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string_view>

#include "common/error/error.h"

/// Owning handles for OpenSSL's objects. Include this only in .cpp files: no header outside common/crypto may include
/// OpenSSL.
namespace consilium::crypto {

/// Frees a handle with the function that belongs to it.
template <auto kFree>
struct Freed {
  template <class Handle>
  void operator()(Handle* handle) const {
    kFree(handle);
  }
};
struct FreedNames {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using BigNumberPtr = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using IntegerPtr = std::unique_ptr<ASN1_INTEGER, Freed<ASN1_INTEGER_free>>;
using TimePtr = std::unique_ptr<ASN1_TIME, Freed<ASN1_TIME_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;  ///< OpenSSL wipes a private key when it frees it
using KeyContextPtr = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using CipherContextPtr = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;  ///< wiped when it is freed
using DigestContextPtr = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using CertificatePtr = std::unique_ptr<X509, Freed<X509_free>>;
using RequestPtr = std::unique_ptr<X509_REQ, Freed<X509_REQ_free>>;
using RevocationListPtr = std::unique_ptr<X509_CRL, Freed<X509_CRL_free>>;
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;
using StorePtr = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;
using StoreContextPtr = std::unique_ptr<X509_STORE_CTX, Freed<X509_STORE_CTX_free>>;
using NamesPtr = std::unique_ptr<GENERAL_NAMES, FreedNames>;

/// Empties the calling thread's error queue. Returns an Error with the message "what: reason of the first entry".
[[nodiscard]] Error openssl_error(ErrorCode code, std::string_view what);

}  // namespace consilium::crypto
