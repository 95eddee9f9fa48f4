#pragma once

#include <optional>
#include <string>

#include "client/join_hospital.h"
#include "common/error/error.h"

namespace consilium::client {

/// The files that the authority sends back.
struct AuthorityAnswer {
  std::string certificate;
  std::optional<std::string> roster;  ///< empty: there is none yet
};
/// Looks for the certificate in the kit's folder or at the given path, and for the roster in the kit's
/// folder and next to the certificate. Returns nothing if the kit's folder has no certificate yet.
/// @param certificate  the certificate's file; empty: the one in the kit's folder
Result<std::optional<AuthorityAnswer>> find_answer(const Hospital& hospital, const std::string& certificate);

/// Installs certificate and roster in the key's folder, each only if it is correct, the roster only after a yes, and
/// neither if what is installed is newer.
Result<void> put_in_place(const Hospital& hospital, const AuthorityAnswer& answer, const Person& person);

}  // namespace consilium::client
