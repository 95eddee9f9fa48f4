#pragma once

#include <string>
#include <vector>

#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/roster/roster.h"

namespace consilium::client {

/// What this site is to others, and what it knows of them, read before anybody asks.
struct OwnIdentity {
  std::string consortium;
  crypto::Digest key{};  ///< SHA-256 of the SubjectPublicKeyInfo of the site's certificate
  roster::Roster roster;
};

/// Reads certificate and roster; checks that the certificate is this site's, and the roster its consortium's.
Result<OwnIdentity> read_own_identity(const ClientConfig& config);

/// Checks that every data set's path exists. kNotFound names the key.
Result<void> check_data_paths(const ClientConfig& config);

/// Says in words what a site can't take part in with these files, though none of them is wrong: a policy that accepts
/// nothing, a data set that the policy lists and client.yaml hasn't, no roster, no revocation list. Empty: nothing.
std::vector<std::string> remarks_on(const ClientConfig& config, const policy::Policy& policy, const OwnIdentity& self);

/// Checks what `consilium-client --check` promises: configuration, policy, certificate, key and roster, and the data
/// sets' paths and populations. Writes nothing, so it may be asked while the client runs, and commits the site to
/// nothing: a roster counts as accepted, and a path as a population's for good, when the client starts with them.
/// @return remarks_on() the files
Result<std::vector<std::string>> check_config(const ClientConfig& config);

}  // namespace consilium::client
