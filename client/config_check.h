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

/// This site's identity and roster, read before any command or connection uses them.
struct OwnIdentity {
  std::string consortium;
  crypto::Digest key{};  ///< SHA-256 of the SubjectPublicKeyInfo of the site's certificate
  roster::Roster roster;
};

/// Reads the certificate and the roster. Checks that the certificate belongs to this site, and the roster to its
/// consortium.
Result<OwnIdentity> read_own_identity(const ClientConfig& config);

/// Checks that something exists at every data set's path. kNotFound names the key.
Result<void> check_data_paths(const ClientConfig& config);

/// Describes what the site can't take part in with these files, although the client starts with them: a policy that
/// accepts nothing, a data set that the policy lists but client.yaml doesn't, no roster, no revocation list.
files::Findings remarks_on(const ClientConfig& config, const policy::Policy& policy, const OwnIdentity& self);

/// Checks what `consilium-client --check` promises: the policy, certificate, key, revocation list, roster and state
/// folder, the data sets' paths and populations, and the atlases' files. Also checks that a trainer starts, is confined
/// as the policy demands, and can read each data set.
/// Leaves no file behind, so it can be called while the client runs. It commits the site to nothing: a roster is
/// recorded as accepted, and a path is bound to its population for good, only when the client starts with them.
/// @param trainer  returns the settings with which the client starts its trainer under a policy
files::Findings check_config(const ClientConfig& config,
                             const std::function<trainer::TrainerConfig(const policy::Policy&)>& trainer);

}  // namespace consilium::client
