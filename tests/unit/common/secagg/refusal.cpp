#include "tests/unit/common/secagg/refusal.h"

namespace consilium::secagg {

std::string refusal(ConsortiumBench& bench, std::size_t site, const CoordinatorMessage& message, Delivery delivery) {
  const auto refused =
      delivery == Delivery::kAsBytes ? bench.deliver(site, message) : bench.site(site).receive(message);
  if (refused) return *refused ? "ANSWERED" : "ACCEPTED";
  const CoordinatorMessage others[] = {AdvertList{}, Boxes{}, Survivors{}, UnmaskRequest{}, message};
  for (const CoordinatorMessage& other : others) {
    const auto after = bench.site(site).receive(other);
    if (after || after.error().message.find("the attempt was abandoned") == std::string::npos) return "STAYED";
  }
  if (bench.site(site).keyed() || bench.site(site).take_masks()) return "HANDED OUT MASKS";
  return refused.error().message;
}

}  // namespace consilium::secagg
