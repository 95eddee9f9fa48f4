#pragma once

#include <string>
#include <string_view>

#include "common/error/error.h"

/// Certificates as rosters keep them: the body of a PEM file, in one line.
namespace consilium::roster {

/// Writes the PEM file of a certificate whose body is given.
[[nodiscard]] std::string pem_of(const std::string& base64);
/// Reads the body of the first certificate of a PEM text. kInvalidArgument where there is none.
Result<std::string> base64_of(std::string_view pem);

}  // namespace consilium::roster
