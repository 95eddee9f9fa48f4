#include "common/crypto/openssl.h"

#include <openssl/err.h>

#include <string>

namespace consilium::crypto {

Error openssl_error(ErrorCode code, std::string_view what) {
  std::string message(what);
  if (const unsigned long first = ERR_get_error(); first != 0) {
    const char* reason = ERR_reason_error_string(first);
    message += ": ";
    message += reason != nullptr ? reason : "OpenSSL error " + std::to_string(first);
  }
  ERR_clear_error();
  return Error{code, std::move(message)};
}

}  // namespace consilium::crypto
