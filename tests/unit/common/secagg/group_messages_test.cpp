#include "common/secagg/group_messages.h"

#include "common/secagg/messages.h"
#include "tests/catch.h"
#include "tests/unit/common/secagg/group_adverts.h"
#include "tests/unit/common/secagg/group_bench.h"

namespace consilium::secagg {
namespace {

using Bytes = std::vector<std::byte>;
using Catch::Contains;

/// Runs both decoders on some bytes. Neither may accept bytes that encode() doesn't write.
void check_hostile(const Bytes& bytes) {
  if (const auto advert = decode_group_advert(bytes); advert && encode(*advert) != bytes) FAIL("not canonical: advert");
  if (const auto list = decode_group_advert_list(bytes); list && encode(*list) != bytes) FAIL("not canonical: list");
}

/// Returns the decoder's error for an advert that encode() writes although it breaks a rule.
std::string refused(const GroupAdvert& advert) {
  const auto decoded = decode_group_advert(encode(advert));
  if (decoded) return "";
  CHECK(decoded.error().code == ErrorCode::kInvalidArgument);
  return decoded.error().message;
}

}  // namespace

TEST_CASE("a group's messages have the bytes that masking.md gives them") {
  const Bytes advert = encode(east());
  CHECK(advert.size() == 141);
  CHECK(crypto::to_hex(crypto::sha256(advert)) == "0e664f66e6664938e149a08387c1842429a6b135e783bda01f35074ce4bc0be8");
  const Bytes list = encode(two());
  CHECK(list.size() == 197);
  CHECK(crypto::to_hex(crypto::sha256(list)) == "8f73ab49c2a00cbeded0d65c0a253a08aea0a6bd52297124783c865a59bae70a");
}

TEST_CASE("a group's messages survive their bytes, and only their own decoder takes them") {
  const QuickConsortium consortium(4);
  GroupBench bench(consortium, {});
  bench.advertise_all();
  const GroupAdvert advert = bench.site(1).advert();
  CHECK(decode_group_advert(encode(advert)).value() == advert);
  CHECK(decode_group_advert_list(encode(bench.list(1))).value() == bench.list(1));
  const std::string other = "group message: a kind that only the other side sends";
  CHECK(decode_group_advert_list(encode(advert)).error().message == other);
  CHECK(decode_group_advert(encode(bench.list(1))).error().message == other);
  CHECK(name_of(advert) == "group advert");
  CHECK(name_of(bench.list(1)) == "group advert list");
}

TEST_CASE("messages of the two modes are told apart by their first bytes, and no decoder takes the other's") {
  const Bytes group = encode(east());
  const Bytes threshold = encode(SiteMessage(Confirmation{{std::byte{1}}}));
  CHECK(is_group_message(group));
  CHECK(is_group_message(encode(two())));
  CHECK_FALSE(is_group_message(threshold));
  CHECK_FALSE(is_group_message({}));
  CHECK_FALSE(is_group_message(std::span(group).first(3)));
  CHECK_FALSE(decode_site_message(group));
  CHECK_FALSE(decode_coordinator_message(encode(two())));
  CHECK(decode_group_advert(threshold).error().message == "group message: not a message of mode masked");
  CHECK_FALSE(decode_group_advert_list(threshold));
}

TEST_CASE("a group's message that is cut, or goes on, at any byte is refused") {
  for (const Bytes& whole : {encode(east()), encode(two())}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::span<const std::byte> cut(whole.data(), size);
      if (decode_group_advert(cut) || decode_group_advert_list(cut)) FAIL("accepted after " << size << " bytes");
    }
    Bytes longer = whole;
    longer.push_back({});
    CHECK_FALSE(decode_group_advert(longer));
    CHECK_FALSE(decode_group_advert_list(longer));
  }
}

TEST_CASE("a group's message with one byte changed is refused, or is another message whose bytes these are") {
  for (const Bytes& whole : {encode(east()), encode(two())}) {
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (int change = 1; change < 256; ++change) {
        Bytes changed = whole;
        changed[at] ^= static_cast<std::byte>(change);
        check_hostile(changed);
      }
    }
  }
}

TEST_CASE("what a group's message may not hold is refused with what was expected") {
  const auto changed = [](const auto& change) {
    GroupAdvert advert = east();
    change(advert);
    return refused(advert);
  };
  CHECK(changed([](auto&) {}).empty());
  CHECK_THAT(changed([](auto& advert) { advert.site.clear(); }), Contains("length of a site's name: expected 1 to 63"));
  CHECK_THAT(changed([](auto& advert) { advert.site = "East"; }), Contains("site: "));
  CHECK_THAT(changed([](auto& advert) { advert.site = std::string(64, 'a'); }), Contains("found 64"));
  CHECK_THAT(changed([](auto& advert) { advert.certificate.clear(); }), Contains("length of a certificate"));
  CHECK_THAT(changed([](auto& advert) { advert.certificate = std::string(4097, 'c'); }),
             Contains("length of a certificate: expected 1 to 4096, found 4097"));
  CHECK_THAT(changed([](auto& advert) { advert.number = 0; }), Contains("number of an advert: expected 1 to"));
  CHECK_THAT(changed([](auto& advert) { advert.seen[0].advert = crypto::sha256("something"); }),
             Contains("seen advert: expected a digest of zeros, because none was seen"));
  CHECK_THAT(changed([](auto& advert) { advert.seen.resize(128); }),
             Contains("number of seen adverts: expected 0 to 127, found 128"));
  CHECK(changed([](auto& advert) { advert.seen.resize(127); }).empty());
  CHECK_THAT(changed([](auto& advert) { advert.signature.clear(); }), Contains("length of a signature"));
  CHECK_THAT(changed([](auto& advert) { advert.signature.resize(81); }),
             Contains("length of a signature: expected 1 to 80, found 81"));

  const auto why = [](const GroupAdvertList& list) { return decode_group_advert_list(encode(list)).error().message; };
  GroupAdvertList list = two();
  std::swap(list.adverts[0], list.adverts[1]);
  CHECK(why(list) == "group message: adverts: expected them in order of name, each once");
  list.adverts[0] = list.adverts[1];
  CHECK(why(list) == "group message: adverts: expected them in order of name, each once");
  CHECK(why({}) == "group message: number of adverts: expected 1 to 128, found 0");
  list.adverts.assign(129, east());
  CHECK(why(list) == "group message: number of adverts: expected 1 to 128, found 129");
}

TEST_CASE("the largest group's list fits the bound, and what is longer is refused unread") {
  GroupAdvertList list;
  for (std::size_t site = 0; site < kMaxGroupMembers; ++site) {
    GroupAdvert advert = east();
    advert.site = Consortium::name(site) + std::string(55, 'x');
    advert.certificate = std::string(kMaxCertificateBytes, 'c');
    advert.seen.assign(kMaxGroupMembers - 1, {1, crypto::sha256("seen")});
    advert.signature.resize(kMaxSignatureBytes);
    list.adverts.push_back(std::move(advert));
  }
  CHECK(decode_group_advert_list(encode(list)).value() == list);
  CHECK(decode_group_advert_list(Bytes(kMaxGroupMessageBytes + 1)).error().message ==
        "group message: more than 1212416 bytes");
}

}  // namespace consilium::secagg
