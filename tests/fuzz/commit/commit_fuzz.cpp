#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "common/secagg/commit.h"

namespace {

using consilium::secagg::CommitSignature;

/// Accepts every certificate and every signature, so that only the counting is tested.
class Believer final : public consilium::secagg::Authenticator {
 public:
  consilium::Result<void> check_certificate(const std::string&, const std::string&) const override { return {}; }
  consilium::Result<void> verify(const std::string&, std::span<const std::byte>,
                                 const consilium::secagg::Signature&) const override {
    return {};
  }
};

}  // namespace

/// Any bytes are refused, or equal what encode() writes for the decoded commit. A commit that counts has as many
/// signatures as its rule requires; the fuzzer counts them here in another way.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace consilium::secagg;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto commit = decode_commit(bytes);
  if (!commit) return 0;
  if (!std::ranges::equal(encode(*commit), bytes)) std::abort();
  const std::vector<std::vector<std::string>> groups = {{"a", "b", "c"}, {"d", "e", "f", "g"}, {"h", "i", "j"}};
  if (!check_commit(*commit, groups, 1, Believer())) return 0;
  std::size_t complete = 0;
  for (std::uint32_t group = 0; group < groups.size(); ++group) {
    const auto of_group = [&](const CommitSignature& one) {
      return std::ranges::find(groups[group], one.site) != groups[group].end();
    };
    const bool enough = std::ranges::count_if(commit->signatures, of_group) >= 3;
    complete += enough ? 1 : 0;
    const bool included =
        std::ranges::find(commit->statement.groups, group, &IncludedGroup::group) != commit->statement.groups.end();
    if (included && !enough) std::abort();
  }
  if (complete < 2 || commit->statement.groups.back().group >= groups.size()) std::abort();
  return 0;
}
