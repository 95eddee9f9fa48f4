#include "common/secagg/mask.h"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <thread>
#include <vector>

#include "common/crypto/openssl.h"

namespace consilium::secagg {
namespace {

static_assert(std::endian::native == std::endian::little, "the keystream's words are taken as they lie in memory");

constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kWordsPerBlock = 4;  // of AES
/// Words masked at a time: they and the keystream stay in the caches next to the core.
constexpr std::size_t kChunk = 4096;
/// A thread is not worth its start for fewer words.
constexpr std::size_t kWordsPerThread = 16 * kChunk;

constexpr std::array<std::uint8_t, kChunk * sizeof(std::uint32_t)> kZeros{};

Error trouble() { return crypto::openssl_error(ErrorCode::kInternal, "a mask could not be made"); }

void add_words(std::uint32_t* words, const std::uint32_t* masks, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) words[i] += masks[i];
}

void subtract_words(std::uint32_t* words, const std::uint32_t* masks, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) words[i] -= masks[i];
}

/// One term's keystream.
class Stream {
 public:
  static Result<Stream> begin(const MaskTerm& term, std::uint64_t first_word) {
    if (term.key.size() != kKeyBytes) {
      return fail(ErrorCode::kInvalidArgument, "a mask's key has 32 bytes, found " + std::to_string(term.key.size()));
    }
    std::array<std::uint8_t, 16> counter{};  // the number of the block, big-endian
    for (std::size_t i = 0; i < 8; ++i) {
      counter[15 - i] = static_cast<std::uint8_t>((first_word / kWordsPerBlock) >> (8 * i));
    }
    Stream stream;
    stream.context_.reset(EVP_CIPHER_CTX_new());
    stream.subtract_ = term.subtract;
    std::array<std::uint32_t, kWordsPerBlock> skipped{};
    if (!stream.context_ ||
        EVP_EncryptInit_ex(stream.context_.get(), EVP_aes_256_ctr(), nullptr, term.key.bytes().data(),
                           counter.data()) != 1 ||
        !stream.next(skipped.data(), first_word % kWordsPerBlock)) {
      return fail(trouble());
    }
    return stream;
  }

  [[nodiscard]] bool subtract() const { return subtract_; }

  /// Writes the next words of the keystream, at most kChunk.
  bool next(std::uint32_t* words, std::size_t count) {
    int size = 0;
    return EVP_EncryptUpdate(context_.get(), reinterpret_cast<std::uint8_t*>(words), &size, kZeros.data(),
                             static_cast<int>(count * sizeof(std::uint32_t))) == 1;
  }

 private:
  crypto::CipherContextPtr context_;
  bool subtract_ = false;
};

}  // namespace

struct Masker::State {
  std::vector<Stream> streams;
  crypto::SecretBytes keystream;
};

Masker::Masker(std::unique_ptr<State> state) : state_(std::move(state)) {}
Masker::~Masker() = default;
Masker::Masker(Masker&&) noexcept = default;
Masker& Masker::operator=(Masker&&) noexcept = default;

Result<Masker> Masker::create(std::span<const MaskTerm> terms, std::uint64_t first_word) {
  auto state = std::make_unique<State>();
  state->streams.reserve(terms.size());
  for (const MaskTerm& term : terms) {
    CONSILIUM_ASSIGN(Stream stream, Stream::begin(term, first_word));
    state->streams.push_back(std::move(stream));
  }
  CONSILIUM_ASSIGN(state->keystream, crypto::SecretBytes::allocate(kZeros.size()));
  return Masker(std::move(state));
}

Result<void> Masker::add(std::span<std::uint32_t> words) {
  auto* masks = reinterpret_cast<std::uint32_t*>(state_->keystream.bytes().data());
  while (!words.empty()) {
    const auto chunk = words.first(std::min(words.size(), kChunk));
    for (Stream& stream : state_->streams) {
      if (!stream.next(masks, chunk.size())) return fail(trouble());
      (stream.subtract() ? subtract_words : add_words)(chunk.data(), masks, chunk.size());
    }
    words = words.subspan(chunk.size());
  }
  return {};
}

Result<void> add_masks(std::span<const MaskTerm> terms, std::uint64_t first_word, std::span<std::uint32_t> words,
                       unsigned threads) {
  const auto mask_part = [&](std::size_t begin, std::size_t count) -> Result<void> {
    CONSILIUM_ASSIGN(Masker masker, Masker::create(terms, first_word + begin));
    return masker.add(words.subspan(begin, count));
  };
  const std::size_t parts = std::clamp<std::size_t>(words.size() / kWordsPerThread, 1, std::max(threads, 1u));
  const std::size_t share = (words.size() / parts + kChunk - 1) / kChunk * kChunk;
  std::vector<Result<void>> results(parts);
  {
    std::vector<std::jthread> others;
    for (std::size_t part = 1; part < parts; ++part) {
      const std::size_t begin = std::min(part * share, words.size());
      const std::size_t count = std::min(share, words.size() - begin);
      others.emplace_back([&, part, begin, count] { results[part] = mask_part(begin, count); });
    }
    results[0] = mask_part(0, std::min(share, words.size()));
  }
  for (const Result<void>& result : results) CONSILIUM_TRY(result);
  return {};
}

}  // namespace consilium::secagg
