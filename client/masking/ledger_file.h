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

/// What a member wrote for a site whose ledger was lost: its own ledger as far as it concerns that site, signed
/// (docs/formats/masking.md).
struct LedgerFile {
  std::string consortium;
  std::string site;          ///< who wrote it
  std::string reader;        ///< whose ledger was lost
  std::uint64_t code = 0;    ///< of the reader's request: an older file has another one
  std::uint64_t serial = 0;  ///< of the roster that the writer has accepted
  LedgerContent content;     ///< each group has both sites
  std::string certificate;   ///< of the writer, PEM
  secagg::Signature signature;
  bool operator==(const LedgerFile&) const = default;
};

/// Largest file accepted, and most entries in it.
inline constexpr std::size_t kMaxLedgerBytes = std::size_t{16} << 20;
inline constexpr std::size_t kMaxLedgerGroups = 1024;
inline constexpr std::size_t kMaxLedgerJobs = 65'536;
/// Highest number of an advert that a file may state: a number above leaves no room for later ones.
inline constexpr std::uint64_t kMaxAdvertNumber = std::uint64_t{1} << 62;

/// Encodes canonically: equal files give equal bytes.
[[nodiscard]] std::vector<std::byte> encode(const LedgerFile& file);
/// Decodes hostile bytes; accepts only what encode() could have written. kInvalidArgument says what was expected.
Result<LedgerFile> decode_ledger_file(std::span<const std::byte> bytes);

/// Writes the groups and jobs alone, as a file has them.
[[nodiscard]] std::vector<std::byte> encode(const LedgerContent& content);
/// Reads what encode() wrote of the content that `site` has for `reader`.
Result<LedgerContent> decode_ledger_content(std::span<const std::byte> bytes, const std::string& site,
                                            const std::string& reader);

/// Signs all of a file but its certificate.
Result<void> sign(LedgerFile& file, const pki::Signer& signer);
/// Verifies that the key of this fingerprint signed a file. kUnauthenticated where it didn't. The certificate's dates
/// don't count: the fingerprint is what the members compared.
Result<void> check_signature(const LedgerFile& file, const crypto::Digest& key);

}  // namespace consilium::masking
