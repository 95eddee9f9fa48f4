#include "common/secagg/messages.h"

#include <algorithm>
#include <array>
#include <set>
#include <utility>
#include <variant>

#include "common/encoding/byte_writer.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/consortium_bench.h"

namespace consilium::secagg {
namespace {

using Bytes = std::vector<std::byte>;

/// Returns every kind of message, as sent in an attempt of four sites in which one drops out.
struct Transcript {
  std::vector<SiteMessage> of_sites;
  std::vector<CoordinatorMessage> of_coordinator;
};

Transcript transcript() {
  const QuickConsortium consortium(4);
  ConsortiumBench bench(consortium, {});
  Transcript said;
  const auto hear = [&](const CoordinatorMessage& message) {
    const auto answer = bench.deliver(1, message);
    REQUIRE(answer);
    said.of_coordinator.push_back(message);
    if (*answer) bench.send(1, **answer);
  };
  bench.advertise();
  hear(bench.next<AdvertList>(1));
  bench.share();
  hear(bench.next<Boxes>(1));
  bench.mask_vector(1);
  bench.coordinator().uploaded("site-001");
  bench.upload({0});
  hear(bench.next<Survivors>(1));
  bench.confirm();
  hear(bench.next<UnmaskRequest>(1));
  for (const auto& [site, message] : bench.sent()) said.of_sites.push_back(message);
  return said;
}

/// Runs both decoders on some bytes. Neither may accept bytes that encode() doesn't write.
void check_hostile(const Bytes& bytes) {
  if (const auto site = decode_site_message(bytes); site && encode(*site) != bytes) FAIL("not canonical: site");
  if (const auto other = decode_coordinator_message(bytes); other && encode(*other) != bytes)
    FAIL("not canonical: coordinator");
}

bool accepted(const Bytes& bytes) {
  return decode_site_message(bytes).has_value() || decode_coordinator_message(bytes).has_value();
}

std::vector<Bytes> all_encoded() {
  std::vector<Bytes> all;
  const Transcript said = transcript();
  std::array<bool, 8> kinds{};
  for (const SiteMessage& message : said.of_sites) {
    if (!std::exchange(kinds[message.index()], true)) all.push_back(encode(message));
  }
  for (const CoordinatorMessage& message : said.of_coordinator) {
    if (!std::exchange(kinds[4 + message.index()], true)) all.push_back(encode(message));
  }
  return all;
}

/// Returns a message's head, followed by the given bytes.
Bytes raw(std::uint8_t kind, const std::vector<std::uint8_t>& body) {
  encoding::ByteWriter out;
  out.text("CSA1");
  out.integer(kind);
  out.bytes(std::span<const std::uint8_t>(body));
  return out.take();
}

}  // namespace

TEST_CASE("every kind of message survives its bytes, and only its own direction's decoder takes it") {
  const Transcript said = transcript();
  std::set<std::size_t> kinds;
  for (const SiteMessage& message : said.of_sites) {
    const Bytes bytes = encode(message);
    CHECK(decode_site_message(bytes).value() == message);
    CHECK(decode_coordinator_message(bytes).error().message == "masking message: not a kind that a coordinator sends");
    kinds.insert(message.index());
  }
  for (const CoordinatorMessage& message : said.of_coordinator) {
    const Bytes bytes = encode(message);
    CHECK(decode_coordinator_message(bytes).value() == message);
    CHECK(decode_site_message(bytes).error().message == "masking message: not a kind that a site sends");
    kinds.insert(4 + message.index());
  }
  CHECK(kinds.size() == 8);
}

TEST_CASE("messages are called by name") {
  CHECK(name_of(SiteMessage(Advert{})) == "advert");
  CHECK(name_of(SiteMessage(Shares{})) == "shares");
  CHECK(name_of(SiteMessage(Confirmation{})) == "confirmation");
  CHECK(name_of(SiteMessage(Reveal{})) == "reveal");
  CHECK(name_of(CoordinatorMessage(AdvertList{})) == "advert list");
  CHECK(name_of(CoordinatorMessage(Boxes{})) == "boxes");
  CHECK(name_of(CoordinatorMessage(Survivors{})) == "survivors");
  CHECK(name_of(CoordinatorMessage(UnmaskRequest{})) == "unmask request");
}

TEST_CASE("a message that is cut, or goes on, at any byte is refused: more than a thousand of them") {
  std::size_t refused = 0;
  for (const Bytes& whole : all_encoded()) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      if (accepted(cut)) FAIL("accepted after " << size << " of " << whole.size() << " bytes");
      ++refused;
    }
    Bytes longer = whole;
    longer.push_back({});
    CHECK_FALSE(accepted(longer));
  }
  CHECK(refused > 1000);
}

TEST_CASE("a message with one byte changed is refused, or is another message whose bytes these are") {
  for (const Bytes& whole : all_encoded()) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (const int change : {0x01, 0x02, 0x10, 0x20, 0x7F, 0x80, 0xFF}) {
        Bytes changed = whole;
        changed[at] ^= static_cast<std::byte>(change);
        check_hostile(changed);
        if (at < 5 && accepted(changed)) CHECK(at == 4);  // magic; then the kind, if both have the same form
      }
    }
  }
}

TEST_CASE("random bytes behind a good head are refused, or canonical") {
  SeededRandom random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::vector<std::uint8_t> body(random.below(200));
    need(random.fill(body));
    if (!body.empty()) body[0] = static_cast<std::uint8_t>(random.below(4));
    check_hostile(raw(static_cast<std::uint8_t>(random.below(10)), body));
  }
}

TEST_CASE("what encode() never writes is refused with what was expected") {
  const auto why = [](const Bytes& bytes) {
    const auto site = decode_site_message(bytes);
    const auto coordinator = decode_coordinator_message(bytes);
    REQUIRE_FALSE(site);
    REQUIRE_FALSE(coordinator);
    CHECK(site.error().code == ErrorCode::kInvalidArgument);
    return site.error().message + "; " + coordinator.error().message;
  };
  using Catch::Contains;
  CHECK_THAT(why({}), Contains("ends too early"));
  CHECK_THAT(why(raw(0, {})), Contains("kind: expected 1 to 8, found 0"));
  CHECK_THAT(why(raw(9, {})), Contains("kind: expected 1 to 8, found 9"));
  Bytes magic = raw(5, {1, 0});
  magic[3] = std::byte{'2'};
  CHECK_THAT(why(magic), Contains("not a masking message"));
  CHECK_THAT(why(raw(5, {0})), Contains("number of survivors: expected 1 to 255, found 0"));
  CHECK_THAT(why(raw(5, {2, 3, 3})), Contains("rank: expected 4 to 254, found 3"));
  CHECK_THAT(why(raw(5, {2, 3, 1})), Contains("rank: expected 4 to 254, found 1"));
  CHECK_THAT(why(raw(5, {1, 255})), Contains("rank: expected 0 to 254, found 255"));
  CHECK_THAT(why(raw(5, {2, 254, 255})), Contains("rank: expected 255 to 254, found 255"));
  CHECK_THAT(why(raw(6, {0})), Contains("length of a signature: expected 1 to 80, found 0"));
  CHECK_THAT(why(raw(6, {81})), Contains("length of a signature: expected 1 to 80, found 81"));
  CHECK_THAT(why(raw(4, {0})), Contains("number of boxes: expected 1 to 255, found 0"));
  CHECK_THAT(why(raw(8, {0})), Contains("number of shares: expected 1 to 255, found 0"));
  CHECK_THAT(why(raw(7, {0})), Contains("number of confirmations: expected 1 to 255, found 0"));
  CHECK_THAT(why(raw(2, {0})), Contains("number of adverts: expected 1 to 255, found 0"));
  CHECK_THAT(why(raw(1, {0})), Contains("length of a site's name: expected 1 to 63, found 0"));
  CHECK_THAT(why(raw(1, {64})), Contains("length of a site's name: expected 1 to 63, found 64"));
  CHECK_THAT(why(raw(1, {1, 'a', 0, 0})), Contains("length of a certificate: expected 1 to "));
  CHECK_THAT(why(Bytes(kMaxMessageBytes + 1)), Contains("more than"));
}

TEST_CASE("names that could garble a log, and adverts out of order, are refused") {
  Advert advert{"north", "certificate", {}, {}, Signature(3)};
  CHECK(decode_site_message(encode(SiteMessage(advert))));
  for (const std::string& name : {std::string("north\n"), std::string("No"), std::string("-a"), std::string("a b"),
                                  std::string("a\0b", 3), std::string("\xC3\xA9")}) {
    advert.site = name;
    const auto refused = decode_site_message(encode(SiteMessage(advert)));
    REQUIRE_FALSE(refused);
    CHECK_THAT(refused.error().message, Catch::StartsWith("masking message: site: "));
  }
  const auto listed = [&advert](const std::vector<std::string>& names) {
    AdvertList list;
    for (const std::string& name : names) {
      advert.site = name;
      list.adverts.push_back(advert);
    }
    return decode_coordinator_message(encode(CoordinatorMessage(list)));
  };
  CHECK(listed({"a", "b"}));
  const std::string order = "masking message: adverts: expected them in order of name, each once";
  CHECK(listed({"b", "a"}).error().message == order);
  CHECK(listed({"a", "a"}).error().message == order);
}

TEST_CASE("the largest list of adverts is within the limit of a message") {
  AdvertList list;
  for (std::size_t i = 0; i < kMaxSites; ++i) {
    list.adverts.push_back({Consortium::name(i) + std::string(55, 'x'),
                            std::string(kMaxCertificateBytes, 'c'),
                            {},
                            {},
                            Signature(kMaxSignatureBytes)});
  }
  const auto decoded = decode_coordinator_message(encode(CoordinatorMessage(list)));
  REQUIRE(decoded);
  CHECK(std::get<AdvertList>(*decoded) == list);
}

TEST_CASE("keys that differ in the bit that doesn't count are the same key") {
  crypto::X25519PublicKey key{};
  key[0] = 9;
  crypto::X25519PublicKey other = key;
  other.back() ^= 0x80;
  CHECK(canonical(key) == canonical(other));
  other[0] = 8;
  CHECK(canonical(key) != canonical(other));
}

}  // namespace consilium::secagg
