#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "client/masking/ledger.h"
#include "common/crypto/sha256.h"
#include "tests/catch.h"
#include "tests/unit/common/pki/temporary_folder.h"

namespace consilium::masking {

inline job::SessionKey train(std::uint32_t round, std::uint32_t attempt = 1, const std::string& job = "chest-1") {
  return {job, job::SumKind::kTrain, round, attempt};
}

inline std::vector<std::byte> bytes(std::string_view text) {
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

inline Ledger opened(const std::filesystem::path& folder) {
  auto ledger = Ledger::open(folder);
  INFO((ledger ? std::string() : ledger.error().message));
  REQUIRE(ledger.has_value());
  return std::move(*ledger);
}

/// A ledger that is closed and reopened before every use, so that its answers come from the disk.
class Reopened {
 public:
  explicit Reopened(std::filesystem::path folder) : folder_(std::move(folder)) {}
  Ledger* operator->() {
    ledger_.reset();
    ledger_.emplace(opened(folder_));
    return &*ledger_;
  }

 private:
  std::filesystem::path folder_;
  std::optional<Ledger> ledger_;
};

/// Fails the test unless the call was refused with these words.
template <class T>
void check_refused(const Result<T>& result, ErrorCode code, const std::vector<std::string>& words) {
  REQUIRE_FALSE(result.has_value());
  INFO(result.error().message);
  CHECK(name_of(result.error().code) == name_of(code));
  for (const std::string& word : words) CHECK_THAT(result.error().message, Catch::Contains(word));
}

}  // namespace consilium::masking
