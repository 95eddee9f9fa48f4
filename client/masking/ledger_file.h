#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "client/masking/ledger_content.h"
#include "common/crypto/sha256.h"
#include "common/error/error.h"
#include "common/pki/signer.h"
#include "common/secagg/messages.h"

namespace consilium::masking {

/// The part of a member's ledger that concerns a site which has lost its own, written and signed by that member
/// (docs/formats/masking.md).
struct LedgerFile {
  std::string consortium;
  std::string site;          ///< the writer
  std::string reader;        ///< the site that has lost its ledger
  std::uint64_t code = 0;    ///< from the reader's request; a file for an earlier request has another code
  std::uint64_t serial = 0;  ///< of the roster that the writer has accepted
  LedgerContent content;     ///< every group in it has both sites as members
  std::string certificate;   ///< the writer's, PEM
  secagg::Signature signature;
  bool operator==(const LedgerFile&) const = default;
};

/// Maximum size of an accepted file, and maximum numbers of entries in it.
inline constexpr std::size_t kMaxLedgerBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxLedgerGroups = 1024;
inline constexpr std::size_t kMaxLedgerJobs = 65'536;
/// Highest advert number that a file may state. A higher number would leave no room for later ones.
inline constexpr std::uint64_t kMaxAdvertNumber = std::uint64_t{1} << 62;

/// Encodes canonically: equal files give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const LedgerFile& file);
/// Decodes untrusted bytes. Accepts only what encode() could have written. kInvalidArgument says what was expected.
Result<LedgerFile> decode_ledger_file(std::span<const std::byte> bytes);

/// Encodes only the groups and jobs, as they are in a file.
[[nodiscard]] std::vector<std::byte> encode(const LedgerContent& content);
/// Decodes content that encode() wrote, as held by `site` for `reader`.
Result<LedgerContent> decode_ledger_content(std::span<const std::byte> bytes, const std::string& site,
                                            const std::string& reader);

/// Signs everything in a file except its certificate.
Result<void> sign(LedgerFile& file, const pki::Signer& signer);
/// Verifies that a file was signed with the key that has this fingerprint. kUnauthenticated if it wasn't. The
/// certificate's validity dates are ignored: the fingerprint is what the members compared.
Result<void> check_signature(const LedgerFile& file, const crypto::Digest& key);

}  // namespace consilium::masking
