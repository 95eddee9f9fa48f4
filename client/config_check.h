#pragma once

#include <functional>
#include <string>

#include "client/daemon_config.h"
#include "client/policy/policy.h"
#include "client/trainer_process/trainer_process.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/files/findings.h"
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

/// Checks that every data set's path leads to something. kNotFound names the key.
Result<void> check_data_paths(const ClientConfig& config);

/// Says in words what a site can't take part in with these files, though the client starts with them: a policy that
/// accepts nothing, a data set that the policy lists and client.yaml hasn't, no roster, no revocation list.
files::Findings remarks_on(const ClientConfig& config, const policy::Policy& policy, const OwnIdentity& self);

/// Checks what `consilium-client --check` promises: policy, certificate, key, revocation list and roster, state folder,
/// the data sets' paths and populations, the atlases' files, and that a trainer starts, is confined as the policy
/// demands, and can read each data set. Leaves no file, so it may be asked while the client runs, and commits the site
/// to nothing: a roster counts as accepted, and a path as a population's for good, when the client starts with them.
/// @param trainer  how the client starts its trainer under a policy
files::Findings check_config(const ClientConfig& config,
                             const std::function<trainer::TrainerConfig(const policy::Policy&)>& trainer);

}  // namespace consilium::client
