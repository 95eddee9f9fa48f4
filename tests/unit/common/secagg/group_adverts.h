#pragma once

#include <cstddef>
#include <cstdint>

#include "common/crypto/sha256.h"
#include "common/secagg/group_messages.h"

namespace consilium::secagg {

/// An advert with every field set, only for tests of its bytes: its key and its signature aren't valid.
inline GroupAdvert east() {
  GroupAdvert advert{"east", "cert", {}, 5, {{0, {}}, {3, crypto::sha256("seen")}}, {}};
  for (std::size_t i = 0; i < 32; ++i) advert.mask_key[i] = static_cast<std::uint8_t>(i);
  for (const char letter : {'s', 'i', 'g'}) advert.signature.push_back(static_cast<std::byte>(letter));
  return advert;
}

/// Adverts of two sites, one of which has seen nothing of another.
inline GroupAdvertList two() {
  GroupAdvert first = east();
  first.seen.erase(first.seen.begin());
  GroupAdvert second = east();
  second.site = "north";
  second.number = UINT64_MAX;
  second.seen.pop_back();
  second.signature = {std::byte{'g'}};
  return {{first, second}};
}

}  // namespace consilium::secagg
