#include "common/secagg/agreement_messages.h"

#include <algorithm>
#include <map>

#include "common/encoding/byte_writer.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/agreement_bench.h"

namespace consilium::secagg {
namespace {

using Bytes = std::vector<std::byte>;
using Catch::Contains;

/// Returns one message of every kind, as a lie and its repair produce them, by its name.
std::map<std::string_view, Bytes> one_of_each() {
  static const QuickConsortium consortium(3);
  AgreementBench bench(consortium);
  bench.replace(2).seals = [](Rank to, PublishedNumber number) {
    if (to == 0) number[0] ^= 1;
    return number;
  };
  std::map<std::string_view, Bytes> encoded;
  bench.on_the_way = [&encoded](std::size_t, AgreementCoordinatorMessage message) {
    encoded.emplace(name_of(message), encode(message));
    return std::optional(std::move(message));
  };
  bench.run();
  for (const auto& [site, message] : bench.said()) encoded.emplace(name_of(message), encode(message));
  return encoded;
}

std::string read(const Bytes& bytes) {
  const auto site = decode_agreement_site_message(bytes);
  const auto coordinator = decode_agreement_coordinator_message(bytes);
  if (site && coordinator) return "BOTH";
  if (site) return encode(*site) == bytes ? "site" : "NOT CANONICAL";
  if (coordinator) return encode(*coordinator) == bytes ? "coordinator" : "NOT CANONICAL";
  return coordinator.error().message.find("not a kind that a coordinator") != std::string::npos
             ? site.error().message
             : coordinator.error().message;
}

Bytes raw(std::uint8_t kind, const std::vector<std::uint8_t>& body) {
  encoding::ByteWriter out;
  out.text("KAG1");
  out.integer(kind);
  out.bytes(std::span<const std::uint8_t>(body));
  return out.take();
}

}  // namespace

TEST_CASE("every message of the agreement is read by one side's decoder, as it was written") {
  const auto encoded = one_of_each();
  REQUIRE(encoded.size() == 9);
  std::size_t of_sites = 0;
  for (const auto& [name, bytes] : encoded) {
    INFO(name);
    const std::string side = read(bytes);
    CHECK((side == "site" || side == "coordinator"));
    of_sites += side == "site" ? 1 : 0;
    CHECK(is_agreement_message(bytes));
    CHECK_FALSE(decode_site_message(bytes));
    CHECK_FALSE(decode_coordinator_message(bytes));
  }
  CHECK(of_sites == 5);
  CHECK_FALSE(is_agreement_message(encode(SiteMessage(Confirmation{Signature(8)}))));
  CHECK_FALSE(is_agreement_message({}));
}

TEST_CASE("messages that are cut, go on or were changed are refused, or are other messages") {
  for (const auto& [name, bytes] : one_of_each()) {
    INFO(name);
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      const std::string cut = read({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(i)});
      CHECK((cut != "site" && cut != "coordinator" && cut != "NOT CANONICAL" && cut != "BOTH"));
      for (const int change : {0x01, 0x80, 0xFF}) {
        Bytes changed = bytes;
        changed[i] ^= static_cast<std::byte>(change);
        const std::string other = read(changed);
        CHECK((other != "NOT CANONICAL" && other != "BOTH"));
      }
    }
    Bytes longer = bytes;
    longer.push_back(std::byte{0});
    CHECK_THAT(read(longer), Contains("left over"));
  }
}

TEST_CASE("numbers out of range and lists out of order are refused with what was expected") {
  CHECK_THAT(read(raw(0, {})), Contains("kind"));
  CHECK_THAT(read(raw(10, {})), Contains("kind"));
  CHECK_THAT(read(raw(2, {0})), Contains("number of adverts"));
  CHECK_THAT(read(raw(4, {0})), Contains("number of boxes"));
  CHECK_THAT(read(raw(4, {255})), Contains("number of boxes"));
  CHECK_THAT(read(raw(5, {0})), Contains("number of complaints"));
  CHECK_THAT(read(raw(5, {2, 7, 1, 9, 7, 1, 9})), Contains("rank"));
  CHECK(read(raw(5, {2, 7, 1, 9, 8, 1, 9})) == "site");
  CHECK_THAT(read(raw(5, {1, 255, 1, 9})), Contains("rank"));
  CHECK_THAT(read(raw(6, {3, 0})), Contains("length of a signature"));
  CHECK_THAT(read(raw(6, {3, 81})), Contains("length of a signature"));
  CHECK_THAT(read(raw(8, {0})), Contains("number of openings"));
  CHECK_THAT(read(Bytes(kMaxMessageBytes + 1)), Contains("more than"));
  Bytes foreign = raw(6, {3, 1, 1});
  CHECK(read(foreign) == "coordinator");
  foreign[0] = std::byte{'C'};
  CHECK_THAT(read(foreign), Contains("not a message of the agreement"));

  const auto list = decode_agreement_coordinator_message(one_of_each().at("agreement advert list"));
  auto swapped = std::get<AgreementAdvertList>(list.value());
  std::swap(swapped.adverts[0], swapped.adverts[1]);
  CHECK_THAT(read(encode(AgreementCoordinatorMessage(swapped))), Contains("in order of name"));
  swapped.adverts[0].site = "No Name";
  CHECK_THAT(read(encode(AgreementCoordinatorMessage(swapped))), Contains("site: "));
}

}  // namespace consilium::secagg
