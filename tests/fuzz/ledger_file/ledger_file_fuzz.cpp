#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <span>

#include "client/masking/ledger_file.h"
#include "client/masking/ledger_union.h"

/// Any bytes are refused, or equal what encode() writes for the decoded file. No file is accepted without a signature
/// of its member's key, or about a group that lacks its writer or its reader.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace consilium;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto file = masking::decode_ledger_file(bytes);
  if (!file) return 0;
  if (!std::ranges::equal(masking::encode(*file), bytes)) std::abort();
  for (const masking::GroupContent& group : file->content.groups) {
    const std::set<std::string> members(group.members.begin(), group.members.end());
    if (members.size() != group.members.size() || group.seen.size() + 1 != members.size()) std::abort();
    if (!members.contains(file->site) || !members.contains(file->reader)) std::abort();
  }
  const auto content = masking::encode(file->content);
  if (masking::decode_ledger_content(content, file->site, file->reader) != file->content) std::abort();
  roster::Roster roster;
  roster.consortium = file->consortium;
  roster.serial = file->serial;
  roster.sites[file->site] = crypto::sha256("nobody's key");
  if (masking::unite_ledgers({*file}, {file->reader, file->code, roster, {}})) std::abort();
  return 0;
}
