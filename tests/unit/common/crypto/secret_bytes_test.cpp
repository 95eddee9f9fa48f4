#include "common/crypto/secret_bytes.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <fstream>
#include <ostream>
#include <sstream>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "hex.h"
#include "tests/catch.h"

using namespace consilium::crypto;
using consilium::ErrorCode;

namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};

static_assert(!std::is_copy_constructible_v<SecretBytes> && !std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes> && std::is_nothrow_move_assignable_v<SecretBytes>);
static_assert(!std::equality_comparable<SecretBytes> && !Printable<SecretBytes>);

std::vector<std::uint8_t> pattern(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(0xA0 + i % 32);
  return bytes;
}

/// Reads this process's memory through the kernel, which allows it even after the memory was freed.
std::vector<std::uint8_t> memory_at(std::uintptr_t address, std::size_t size) {
  const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
  std::vector<std::uint8_t> bytes(size);
  const auto got = ::pread(memory, bytes.data(), size, static_cast<off_t>(address));
  ::close(memory);
  REQUIRE(got == static_cast<ssize_t>(size));
  return bytes;
}

/// Returns the kernel's flags of the mapping that contains an address, e.g. "rd wr mr mw me lo ac dd" (proc(5), smaps).
std::string flags_at(std::uintptr_t address) {
  std::ifstream maps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0;
    std::uintptr_t end = 0;
    char dash = 0;
    if (std::istringstream words(line); words >> std::hex >> begin >> dash >> end && dash == '-') {
      inside = begin <= address && address < end;
    } else if (inside && line.starts_with("VmFlags:")) {
      return line;
    }
  }
  return "";
}

std::uintptr_t address_of(const SecretBytes& secret) { return reinterpret_cast<std::uintptr_t>(secret.bytes().data()); }

}  // namespace

TEST_CASE("a secret begins as zeros and holds what is written to it") {
  auto secret = SecretBytes::allocate(100).value();
  CHECK(std::ranges::all_of(secret.bytes(), [](auto byte) { return byte == 0; }));
  secret.bytes()[99] = 7;
  CHECK(std::as_const(secret).bytes()[99] == 7);
  CHECK(secret.size() == 100);
  CHECK_FALSE(secret.empty());
  CHECK(SecretBytes().empty());
  CHECK(SecretBytes::allocate(0).value().empty());
}

TEST_CASE("a moved secret has one owner, a cloned one two") {
  auto first = SecretBytes::copy_of(pattern(32)).value();
  auto second = first.clone().value();
  second.bytes()[0] = 0;
  CHECK(equal_in_constant_time(first.bytes(), pattern(32)));
  SecretBytes third = std::move(first);
  CHECK(first.empty());  // NOLINT(bugprone-use-after-move): that is what is tested
  second = std::move(third);
  CHECK(equal_in_constant_time(second.bytes(), pattern(32)));
}

TEST_CASE("nothing of a secret is left in memory once it is wiped, replaced or gone") {
  // The first 16 bytes of a free block hold the heap's own pointers.
  const auto gone = [](std::uintptr_t address) {
    const auto left = memory_at(address + 16, 240);
    return std::ranges::all_of(left, [](auto byte) { return byte == 0; });
  };
  auto secret = SecretBytes::copy_of(pattern(256)).value();
  const auto address = address_of(secret);
  CHECK(memory_at(address, 256) == pattern(256));
  SECTION("wiped") {
    secret.wipe();
    CHECK(secret.empty());
    CHECK(gone(address));
  }
  SECTION("replaced") {
    secret = SecretBytes();
    CHECK(gone(address));
  }
  SECTION("gone") {
    { const SecretBytes last = std::move(secret); }
    CHECK(gone(address));
  }
}

TEST_CASE("secrets are kept out of core dumps, and in memory where the limit allows") {
  const auto secret = SecretBytes::copy_of(pattern(32)).value();
  const std::string flags = flags_at(address_of(secret));
  INFO(flags);
  CHECK(flags.find(" dd") != std::string::npos);
  CHECK((flags.find(" lo") != std::string::npos) == secrets_locked());
}

TEST_CASE("a full heap is an error, and room that is given back can be taken again") {
  std::vector<SecretBytes> secrets;
  constexpr std::size_t kPiece = 1 << 18;
  for (int i = 0; i < 100; ++i) {
    auto secret = SecretBytes::allocate(kPiece);
    if (!secret) {
      CHECK(secret.error().code == ErrorCode::kResourceExhausted);
      break;
    }
    secrets.push_back(std::move(*secret));
  }
  CHECK(secrets.size() < 100);
  const auto most = secrets.size();
  secrets.clear();
  for (std::size_t i = 0; i < most; ++i) secrets.push_back(SecretBytes::allocate(kPiece).value());
}

TEST_CASE("the heap holds all shares of 200 simulated sites") {
  std::vector<SecretBytes> shares;
  constexpr std::size_t count = 2 * 200 * 200;
  for (std::size_t i = 0; i < count; ++i) shares.push_back(SecretBytes::allocate(32).value());
  CHECK(shares.size() == count);
}

TEST_CASE("threads take and give back secrets at once") {
  std::vector<std::jthread> threads;
  std::array<bool, 4> good{};
  for (std::size_t t = 0; t < good.size(); ++t) {
    threads.emplace_back([&good, t] {
      good[t] = true;
      for (int i = 0; i < 500; ++i) {
        const auto secret = SecretBytes::copy_of(pattern(32 + t));
        good[t] = good[t] && secret && equal_in_constant_time(secret->bytes(), pattern(32 + t));
      }
    });
  }
  threads.clear();
  CHECK(std::ranges::all_of(good, [](bool each) { return each; }));
}

TEST_CASE("equality looks at every byte, and at the size") {
  const auto a = pattern(33);
  for (std::size_t i = 0; i < a.size(); ++i) {
    auto b = a;
    b[i] ^= 0x80;
    CHECK_FALSE(equal_in_constant_time(a, b));
  }
  CHECK(equal_in_constant_time(a, pattern(33)));
  CHECK_FALSE(equal_in_constant_time(a, pattern(32)));
  CHECK(equal_in_constant_time({}, {}));
}
