#include "coordinator/service/slots.h"

namespace consilium::service {

std::unique_ptr<Slots::Hold> Slots::take(const std::string& peer) {
  const std::lock_guard lock(mutex_);
  unsigned& count = counts_[peer];
  if (count >= limit_) return nullptr;
  ++count;
  return std::make_unique<Hold>(*this, peer);
}

Slots::Hold::~Hold() {
  const std::lock_guard lock(slots_.mutex_);
  const auto found = slots_.counts_.find(peer_);
  if (--found->second == 0) slots_.counts_.erase(found);
}

}  // namespace consilium::service
