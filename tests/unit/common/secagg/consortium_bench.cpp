#include "tests/unit/common/secagg/consortium_bench.h"

#include <algorithm>
#include <utility>

namespace consilium::secagg {
namespace {

SiteMessage as_bytes_and_back(const SiteMessage& message) {
  auto decoded = decode_site_message(encode(message));
  if (!decoded) throw std::logic_error(decoded.error().message);
  return *std::move(decoded);
}

CoordinatorMessage as_bytes_and_back(const CoordinatorMessage& message) {
  auto decoded = decode_coordinator_message(encode(message));
  if (!decoded) throw std::logic_error(decoded.error().message);
  return *std::move(decoded);
}

}  // namespace

ConsortiumBench::ConsortiumBench(const Consortium& consortium, BenchSetup setup)
    : consortium_(consortium),
      setup_(std::move(setup)),
      random_(setup_.seed),
      coordinator_({setup_.context, consortium.names(), setup_.colluding, setup_.everyone},
                   consortium.authenticator()) {
  for (std::size_t i = 0; i < consortium.size(); ++i) {
    SiteSetup mine;
    mine.context = setup_.context;
    mine.site = Consortium::name(i);
    mine.certificate = consortium.certificate(i);
    mine.eligible = consortium.names();
    mine.colluding = setup_.colluding;
    if (setup_.adjust) setup_.adjust(i, mine);
    sites_.push_back(SiteProtocol::start(mine, consortium.authenticator(), consortium.signer(i), random_).value());
    inbox_[i];
    if (setup_.vectors.size() > i) continue;
    setup_.vectors.emplace_back();
    for (std::size_t word = 0; word < setup_.words; ++word)
      setup_.vectors[i].push_back(static_cast<std::uint32_t>(random_.number()));
  }
}

std::size_t ConsortiumBench::number(const std::string& site) const {
  const auto names = consortium_.names();
  return static_cast<std::size_t>(std::ranges::find(names, site) - names.begin());
}

void ConsortiumBench::take(Output output) {
  for (auto& [site, message] : output.messages) inbox_.at(number(site)).push_back(std::move(message));
  for (auto& [site, error] : output.lost) lost_.emplace(number(site), error.message);
  std::ranges::move(output.notes, std::back_inserter(notes_));
}

void ConsortiumBench::send(std::size_t site, const SiteMessage& message) {
  SiteMessage arriving = message;
  if (setup_.to_coordinator) setup_.to_coordinator(site, arriving);
  sent_.emplace_back(site, as_bytes_and_back(arriving));
  take(coordinator_.receive(Consortium::name(site), sent_.back().second));
}

Result<std::optional<SiteMessage>> ConsortiumBench::deliver(std::size_t site, const CoordinatorMessage& message) {
  return sites_[site].receive(as_bytes_and_back(message));
}

std::optional<CoordinatorMessage> ConsortiumBench::take_next(std::size_t site) {
  auto& inbox = inbox_.at(site);
  if (inbox.empty()) return std::nullopt;
  CoordinatorMessage message = std::move(inbox.front());
  inbox.pop_front();
  return message;
}

void ConsortiumBench::close(Phase phase) {
  if (coordinator_.phase() == phase) take(coordinator_.close_phase());
}

/// Delivers the waiting message if it is a Message, and sends the answers.
template <class Message>
void ConsortiumBench::answer(const std::set<std::size_t>& gone) {
  for (std::size_t i = 0; i < size(); ++i) {
    auto& inbox = inbox_.at(i);
    if (gone.contains(i) || inbox.empty() || !std::holds_alternative<Message>(inbox.front())) continue;
    auto answer = deliver(i, next<Message>(i));
    if (!answer) {
      left_.emplace(i, answer.error().message);
      take(coordinator_.lose(Consortium::name(i)));
    } else if (*answer) {
      send(i, **answer);
    }
  }
}

void ConsortiumBench::advertise(const std::set<std::size_t>& gone) {
  for (std::size_t i = 0; i < size(); ++i) {
    if (!gone.contains(i)) send(i, sites_[i].advert());
  }
  close(Phase::kAdvertising);
}

void ConsortiumBench::share(const std::set<std::size_t>& gone) {
  answer<AdvertList>(gone);
  close(Phase::kSharing);
}

std::vector<std::uint32_t> ConsortiumBench::mask_vector(std::size_t site) {
  std::vector<std::uint32_t> masked = setup_.vectors[site];
  const auto masks = sites_[site].take_masks();
  need(add_masks(masks.value(), 0, masked));
  return masked;
}

void ConsortiumBench::upload(const std::set<std::size_t>& gone) {
  answer<Boxes>(gone);
  for (std::size_t i = 0; i < size(); ++i) {
    if (gone.contains(i) || !sites_[i].keyed()) continue;
    uploads_[i] = mask_vector(i);
    coordinator_.uploaded(Consortium::name(i));
  }
  take(coordinator_.close_uploads());
}

void ConsortiumBench::confirm(const std::set<std::size_t>& gone) {
  answer<Survivors>(gone);
  close(Phase::kConfirming);
}

void ConsortiumBench::unmask(const std::set<std::size_t>& gone) {
  answer<UnmaskRequest>(gone);
  close(Phase::kUnmasking);
}

void ConsortiumBench::run(const std::vector<Drop>& drops) {
  const auto gone_by = [&drops](Drop step) {
    std::set<std::size_t> gone;
    for (std::size_t i = 0; i < drops.size(); ++i) {
      if (drops[i] <= step) gone.insert(i);
    }
    return gone;
  };
  advertise(gone_by(Drop::kAdvertise));
  share(gone_by(Drop::kShare));
  upload(gone_by(Drop::kUpload));
  confirm(gone_by(Drop::kConfirm));
  unmask(gone_by(Drop::kUnmask));
}

void ConsortiumBench::run_until(Drop step) {
  if (step > Drop::kAdvertise) advertise();
  if (step > Drop::kShare) share();
  if (step > Drop::kUpload) upload();
  if (step > Drop::kConfirm) confirm();
  if (step > Drop::kUnmask) unmask();
}

std::size_t ConsortiumBench::sent_of_kind(std::size_t index) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(sent_, [index](const auto& sent) { return sent.second.index() == index; }));
}

std::vector<std::uint32_t> ConsortiumBench::unmasked_sum() {
  std::vector<std::uint32_t> sum(setup_.words);
  for (const std::string& site : coordinator_.survivors()) {
    const auto& masked = uploads_.at(number(site));
    for (std::size_t word = 0; word < sum.size(); ++word) sum[word] += masked[word];
  }
  need(add_masks(coordinator_.take_masks(), 0, sum));
  return sum;
}

std::vector<std::uint32_t> ConsortiumBench::plain_sum() const {
  std::vector<std::uint32_t> sum(setup_.words);
  for (const std::string& site : coordinator_.survivors()) {
    for (std::size_t word = 0; word < sum.size(); ++word) sum[word] += vector(number(site))[word];
  }
  return sum;
}

}  // namespace consilium::secagg
