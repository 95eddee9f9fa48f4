#include <algorithm>
#include <functional>

#include "tests/catch.h"
#include "tests/rogue_coordinator/sessions.h"

// Step 2: north learns which sites take part, and with which keys. It shares its secrets with them or refuses.
namespace consilium::rogue {
namespace {

using secagg::Advert;
using secagg::AdvertList;

struct Case {
  Stage stage;
  Session session = train_session(stage);
  Attempt attempt{stage, session};
};

/// Plays an attempt up to the list of adverts, which `lie` changes.
void check_refused(const std::string& why, const std::function<void(Case&, AdvertList&)>& lie) {
  Case played;
  played.attempt.offer();
  AdvertList list = played.attempt.adverts();
  lie(played, list);
  played.attempt.tell(list);
  played.attempt.check_refused(why);
  check_discreet(played.stage, 0);
}

Advert& advert_of(AdvertList& list, const std::string& site) {
  return *std::ranges::find(list.adverts, site, &Advert::site);
}

TEST_CASE("a site that the job doesn't list gets no shares, though the true root signed for it") {
  check_refused("the job doesn't list zurich", [](Case& now, AdvertList& list) {
    const Credentials minted = now.stage.corrupt_authority().mint("zurich");
    Advert keys = advert_of(list, "west");
    keys.channel_key[0] ^= 1;
    keys.mask_key[0] ^= 1;
    list.adverts.push_back(now.attempt.advert_by("zurich", minted, keys));
  });
}

TEST_CASE("a listed site's name with another key than the roster's gets no shares") {
  check_refused("advert of west", [](Case& now, AdvertList& list) {
    Advert& west = advert_of(list, "west");
    west = now.attempt.advert_by("west", now.stage.corrupt_authority().mint("west"), west);
  });
}

TEST_CASE("a certificate of another root gets no shares, though the key is the roster's") {
  check_refused("advert of west", [](Case& now, AdvertList& list) {
    Advert& west = advert_of(list, "west");
    west = now.attempt.advert_by("west", now.stage.foreign_authority().certify("west", now.stage.key_of("west")), west);
  });
}

TEST_CASE("an expired certificate gets no shares, though the key is the roster's") {
  check_refused("expired", [](Case& now, AdvertList& list) {
    Advert& west = advert_of(list, "west");
    const Credentials expired =
        now.stage.corrupt_authority().certify("west", now.stage.key_of("west"), std::chrono::seconds(-1));
    west = now.attempt.advert_by("west", expired, west);
  });
}

TEST_CASE("a revoked certificate gets no shares") {
  check_refused("revoked", [](Case& now, AdvertList&) { now.stage.revoke("west"); });
}

TEST_CASE("a certificate of another site gets no shares") {
  check_refused("advert of west", [](Case& now, AdvertList& list) {
    Advert& west = advert_of(list, "west");
    west = now.attempt.advert_by("west", now.stage.played("east"), west);
  });
}

TEST_CASE("a second north is noticed") {
  SECTION("in its own place") {
    check_refused("this site's own advert was changed", [](Case& now, AdvertList& list) {
      Advert& north = advert_of(list, "north");
      north.mask_key[0] ^= 1;
      north = now.attempt.advert_by("north", now.stage.corrupt_authority().mint("north"), north);
    });
  }
  SECTION("in another's") {
    check_refused("adverts: expected them in order of name", [](Case& now, AdvertList& list) {
      Advert& south = advert_of(list, "south");
      south = now.attempt.advert_by("north", now.stage.corrupt_authority().mint("north"), south);
    });
  }
}

TEST_CASE("a list without north is refused") {
  check_refused("this site isn't among them",
                [](Case&, AdvertList& list) { std::erase_if(list.adverts, [](auto& a) { return a.site == kNorth; }); });
}

TEST_CASE("a key that two sites share is refused, whoever signed it") {
  check_refused("a key is used twice", [](Case& now, AdvertList& list) {
    Advert keys = advert_of(list, "east");
    keys.channel_key[5] ^= 1;  // the mask key is east's
    advert_of(list, "west") = now.attempt.advert_by("west", now.stage.played("west"), keys);
  });
}

TEST_CASE("keys that were swapped after they were signed are refused") {
  SECTION("one site's two keys") {
    check_refused("advert of west", [](Case&, AdvertList& list) {
      Advert& west = advert_of(list, "west");
      std::swap(west.channel_key, west.mask_key);
    });
  }
  SECTION("two sites' keys") {
    check_refused("advert of east", [](Case&, AdvertList& list) {
      std::swap(advert_of(list, "east").mask_key, advert_of(list, "west").mask_key);
    });
  }
  SECTION("a key of the coordinator's own") {
    check_refused("advert of west", [](Case&, AdvertList& list) { advert_of(list, "west").channel_key[9] ^= 1; });
  }
}

TEST_CASE("keys of an earlier attempt are refused in a later one") {
  Stage stage;
  Session session = train_session(stage);
  Attempt first(stage, session);
  first.offer();
  ++session.key.attempt;
  Attempt second(stage, session);
  second.offer();
  AdvertList list = second.adverts();
  AdvertList old = first.adverts();
  advert_of(list, "west") = advert_of(old, "west");
  second.tell(list);
  second.check_refused("advert of west");
  check_discreet(stage, 0);
}

TEST_CASE("a cohort of twice the colluding sites is refused") {
  check_refused("found 2 sites; this site takes part only with 3 or more", [](Case&, AdvertList& list) {
    std::erase_if(list.adverts, [](auto& advert) { return advert.site == "south" || advert.site == "west"; });
  });
}

}  // namespace
}  // namespace consilium::rogue
