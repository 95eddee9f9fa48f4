#pragma once

#include <string>
#include <string_view>

#include "common/error/error.h"

/// Certificates in the form in which rosters keep them: the body of a PEM file, on one line.
namespace consilium::roster {

/// Returns the PEM text of a certificate with the given body.
[[nodiscard]] std::string pem_of(const std::string& base64);
/// Returns the body of the first certificate in a PEM text. Fails with kInvalidArgument if there is none.
Result<std::string> base64_of(std::string_view pem);

}  // namespace consilium::roster
