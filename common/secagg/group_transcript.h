#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/secagg/group_messages.h"

/// What every hash, signature and key of mode `masked` is bound to. Its labels are its own, so nothing that was signed
/// in mode `masked-threshold` (transcript.h) counts here, nor the other way round.
namespace consilium::secagg {

/// ctx1: one attempt at one group's sum. The order names kind, job, round, group, attempt and model.
/// @param confirmation  agreement_confirmation() of the job's key: sites with different keys share no context
[[nodiscard]] crypto::Digest attempt_context(const job::RoundOrder& order, const crypto::Digest& confirmation);

/// ctx2: the attempt and every member's advert.
[[nodiscard]] crypto::Digest cohort_context(const crypto::Digest& attempt, const GroupAdvertList& list);

/// What an advert's signature is over: all that stands in it, and the attempt.
[[nodiscard]] std::vector<std::byte> advert_statement(const crypto::Digest& attempt, const GroupAdvert& advert);

/// What stands for an advert in ledgers and in later adverts: SHA-256 of advert_statement(). The signature isn't part
/// of it, because anybody can turn an ECDSA signature into another valid one, and so set two honest ledgers at odds.
[[nodiscard]] crypto::Digest advert_digest(const crypto::Digest& attempt, const GroupAdvert& advert);

/// The key of the mask that two members share: the one whose name stands first adds it, the other subtracts it.
/// @param agreed  what X25519 gave for their mask keys
Result<crypto::SecretBytes> pair_mask_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort,
                                          const std::string& one, const std::string& other);

}  // namespace consilium::secagg
