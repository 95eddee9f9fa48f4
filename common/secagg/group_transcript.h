#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "common/crypto/secret_bytes.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/job/round_order.h"
#include "common/secagg/group_messages.h"

/// The inputs of every hash, signature and key derivation of mode `masked`. They have labels of their own, so nothing
/// that was signed in mode `masked-threshold` (transcript.h) is valid here, and nothing signed here is valid there.
namespace consilium::secagg {

/// Returns ctx1, which binds one attempt at one group's sum. The order contains kind, job, round, group, attempt and
/// model.
/// @param confirmation  agreement_confirmation() of the job's key: sites with different keys share no context
[[nodiscard]] crypto::Digest attempt_context(const job::RoundOrder& order, const crypto::Digest& confirmation);

/// Returns ctx2, which binds the attempt and every member's advert.
[[nodiscard]] crypto::Digest cohort_context(const crypto::Digest& attempt, const GroupAdvertList& list);

/// Returns the bytes that an advert's signature covers: the whole advert except the signature, and the attempt.
[[nodiscard]] std::vector<std::byte> advert_statement(const crypto::Digest& attempt, const GroupAdvert& advert);

/// Returns the digest that represents an advert in ledgers and in later adverts: SHA-256 of advert_statement(). It
/// doesn't cover the signature, because anybody can turn an ECDSA signature into another valid one, and could thus make
/// two honest ledgers differ.
[[nodiscard]] crypto::Digest advert_digest(const crypto::Digest& attempt, const GroupAdvert& advert);

/// Derives the key of the mask that two members share. The member whose name comes first adds the mask, and the other
/// subtracts it.
/// @param agreed  the X25519 shared secret of their mask keys
Result<crypto::SecretBytes> pair_mask_key(const crypto::SecretBytes& agreed, const crypto::Digest& cohort,
                                          const std::string& one, const std::string& other);

}  // namespace consilium::secagg
