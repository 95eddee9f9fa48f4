#include "tests/unit/common/secagg/group_bench.h"

#include <stdexcept>
#include <utility>

#include "common/encoding/fixed_point.h"
#include "common/secagg/group_transcript.h"
#include "common/secagg/sum_keys.h"

namespace consilium::secagg {
namespace {

/// Returns a small value of either sign, as encoding gives it, so that the total of 60 keeps its sign.
std::uint32_t draw_word(SeededRandom& random) {
  return static_cast<std::uint32_t>(static_cast<std::int32_t>(random.below(1U << 25)) - (1 << 24));
}

crypto::SecretBytes draw(crypto::RandomSource& random) {
  crypto::SecretBytes secret = crypto::SecretBytes::allocate(kSumKeyBytes).value();
  need(random.fill(secret.bytes()));
  return secret;
}

}  // namespace

GroupBench::GroupBench(const Consortium& consortium, GroupBenchSetup setup)
    : setup_(std::move(setup)),
      random_(setup_.seed),
      key_(draw(random_)),
      coordinator_({setup_.context, consortium.names(), setup_.colluding}, consortium.authenticator()) {
  for (std::size_t site = 0; site < consortium.size(); ++site) {
    if (setup_.vectors.size() == site) {
      auto& words = setup_.vectors.emplace_back(setup_.words);
      for (std::uint32_t& word : words) word = draw_word(random_);
    }
    GroupSiteSetup mine{setup_.context,
                        Consortium::name(site),
                        consortium.certificate(site),
                        consortium.names(),
                        setup_.colluding,
                        1,
                        {}};
    mine.seen.resize(consortium.size() - 1);
    if (setup_.adjust) setup_.adjust(site, mine);
    sites_.push_back(
        GroupSite::start(std::move(mine), consortium.authenticator(), consortium.signer(site), random_).value());
  }
}

GroupOutput GroupBench::advertise(std::size_t site) { return send(site, sites_[site].advert()); }

GroupOutput GroupBench::send(std::size_t site, const GroupAdvert& advert) {
  GroupOutput output = coordinator_.receive(Consortium::name(site), decode_group_advert(encode(advert)).value());
  for (const auto& [name, list] : output.messages) inbox_[std::stoul(name.substr(name.find('-') + 1))] = list;
  return output;
}

void GroupBench::advertise_all() {
  for (std::size_t site = 0; site < size(); ++site) advertise(site);
  if (coordinator_.phase() != GroupPhase::kUploading) throw std::logic_error(coordinator_.failure().message);
}

Result<void> GroupBench::deliver(std::size_t site, const GroupAdvertList& list) {
  CONSILIUM_ASSIGN(const GroupAdvertList decoded, decode_group_advert_list(encode(list)));
  return sites_[site].receive(decoded);
}

GroupUpload GroupBench::upload(std::size_t site) {
  GroupUpload upload{vector(site), 0};
  const auto masks = sites_[site].take_masks();
  if (!masks) throw std::logic_error(masks.error().message);
  const auto value = accumulate_tag(root(), upload.words).value();
  need(add_masks(*masks, 0, upload.words));
  const auto mask = tag_mask(*masks, upload.words.size()).value();
  upload.tag = masked_tag(offset(sites_[site].cohort()), value, mask).value();
  coordinator_.uploaded(Consortium::name(site));
  return upload;
}

std::vector<std::uint32_t> GroupBench::plain_sum() const {
  std::vector<std::uint32_t> sum(setup_.vectors.front().size());
  for (const auto& words : setup_.vectors) encoding::add_words(words, sum);
  return sum;
}

crypto::SecretBytes GroupBench::root() const { return tag_key(key_, job::SumKind::kTrain, 1).value(); }

crypto::SecretBytes GroupBench::offset(const crypto::Digest& cohort) const {
  return tag_offset(key_, job::SumKind::kTrain, 1, setup_.group, cohort).value();
}

GroupUpload add_up(const std::vector<GroupUpload>& uploads) {
  GroupUpload sum{std::vector<std::uint32_t>(uploads.front().words.size()), 0};
  for (const GroupUpload& upload : uploads) {
    encoding::add_words(upload.words, sum.words);
    sum.tag = field_add(sum.tag, upload.tag);
  }
  return sum;
}

void sign(const Consortium& consortium, std::size_t site, GroupAdvert& advert, const crypto::Digest& context) {
  advert.signature = consortium.signer(site).sign(advert_statement(context, advert)).value();
}

}  // namespace consilium::secagg
