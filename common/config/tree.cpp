#include "common/config/tree.h"

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>
#include <system_error>
#include <utility>

namespace consilium::config {
namespace {

constexpr std::size_t kMaxKeyBytes = 256;

/// Thrown to leave the parser from within its callbacks; caught in parse_tree().
struct Refusal {
  std::string message;
  int line;
};

int line_of(const YAML::Mark& mark) { return mark.line < 0 ? 0 : mark.line + 1; }

/// Builds the tree from the parser's events. Each event is checked before anything is allocated for what it describes.
class Builder : public YAML::EventHandler {
 public:
  explicit Builder(const Limits& limits) : limits_(limits) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    add(open(Entry::Kind::kNull, mark, "?", anchor));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refusal{"aliases (*name) are not accepted; write the value out", line_of(mark)};
  }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    throw Refusal{"anchors (&name) are not accepted; write the value out", line_of(mark)};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Entry entry = open(Entry::Kind::kScalar, mark, tag, anchor);
    entry.quoted = tag == "!";
    entry.text = value;
    add(std::move(entry));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    push(open(Entry::Kind::kList, mark, tag, anchor));
  }
  void OnSequenceEnd() override { pop(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    push(open(Entry::Kind::kMap, mark, tag, anchor));
  }
  void OnMapEnd() override { pop(); }

  Entry take() { return std::move(root_); }

 private:
  /// A map or list under construction.
  struct Frame {
    Entry entry;
    std::set<std::string> seen;
    bool has_key = false;  ///< map: the next entry is the value of the last key
  };

  Entry open(Entry::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) throw Refusal{"anchors (&name) are not accepted; write the value out", line_of(mark)};
    if (!tag.empty() && tag != "?" && tag != "!") throw Refusal{"tags (!name) are not accepted", line_of(mark)};
    if (++entries_ > limits_.entries) {
      throw Refusal{fmt::format("more than {} values", limits_.entries), line_of(mark)};
    }
    Entry entry;
    entry.kind = kind;
    entry.line = line_of(mark);
    return entry;
  }

  void push(Entry entry) {
    if (expects_key()) throw Refusal{"a key is a word, not a map or list", entry.line};
    if (frames_.size() >= limits_.depth) {
      throw Refusal{fmt::format("maps and lists are nested more than {} deep", limits_.depth), entry.line};
    }
    frames_.push_back(Frame{std::move(entry), {}, false});
  }

  void pop() {
    Entry entry = std::move(frames_.back().entry);
    frames_.pop_back();
    add(std::move(entry));
  }

  void add(Entry entry) {
    if (frames_.empty()) {
      root_ = std::move(entry);
      return;
    }
    Frame& frame = frames_.back();
    if (expects_key()) return add_key(frame, std::move(entry));
    frame.entry.items.push_back(std::move(entry));
    frame.has_key = false;
  }

  void add_key(Frame& frame, Entry key) {
    if (key.kind != Entry::Kind::kScalar || key.text.empty()) throw Refusal{"expected a key, found nothing", key.line};
    if (key.text.size() > kMaxKeyBytes)
      throw Refusal{fmt::format("a key of more than {} bytes", kMaxKeyBytes), key.line};
    if (!frame.seen.insert(key.text).second) throw Refusal{"the key '" + key.text + "' is listed twice", key.line};
    frame.entry.keys.push_back(std::move(key.text));
    frame.has_key = true;
  }

  [[nodiscard]] bool expects_key() const {
    return !frames_.empty() && frames_.back().entry.kind == Entry::Kind::kMap && !frames_.back().has_key;
  }

  const Limits& limits_;
  std::size_t entries_ = 0;
  std::vector<Frame> frames_;
  Entry root_;
};

/// Returns the length of the well-formed UTF-8 sequence at the start of `text` (RFC 3629), or 0 if there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto follows = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return follows(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned high = first == 0xED ? 0x9F : 0xBF;
    return byte(1) >= low && byte(1) <= high && follows(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned low = first == 0xF0 ? 0x90 : 0x80;
    const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
    return byte(1) >= low && byte(1) <= high && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

/// Finds errors in the bytes themselves, before the YAML is parsed.
std::optional<Refusal> check_bytes(std::string_view text) {
  int line = 1;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) return Refusal{"bytes that are not UTF-8", line};
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == 0x7F || (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t')) {
      return Refusal{fmt::format("a control character (byte {:#04x})", byte), line};
    }
    if (byte == '\n') ++line;
    i += length;
  }
  return std::nullopt;
}

tl::unexpected<Error> refuse(std::string_view source, const std::string& message, int line) {
  std::string where = line > 0 ? fmt::format(" (line {})", line) : "";
  return fail(ErrorCode::kInvalidArgument, fmt::format("{}: {}{}", source, message, where));
}

}  // namespace

Result<std::shared_ptr<const Tree>> parse_tree(std::string_view text, std::string_view source,
                                               const std::filesystem::path& folder, const Limits& limits) {
  if (text.size() > limits.bytes) {
    return refuse(source, fmt::format("{} bytes; expected at most {}", text.size(), limits.bytes), 0);
  }
  if (const auto refusal = check_bytes(text)) return refuse(source, refusal->message, refusal->line);
  auto tree = std::make_shared<Tree>();
  tree->source = source;
  tree->folder = folder;
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Builder builder(limits);
    if (parser.HandleNextDocument(builder)) {
      tree->root = builder.take();
      Builder rest(limits);
      if (parser.HandleNextDocument(rest)) return refuse(source, "more than one YAML document; expected one", 0);
    }
  } catch (const Refusal& refusal) {
    return refuse(source, refusal.message, refusal.line);
  } catch (const YAML::Exception& error) {
    return refuse(source, "not valid YAML: " + error.msg, line_of(error.mark));
  }
  return std::shared_ptr<const Tree>(std::move(tree));
}

Result<std::string> read_bounded(const std::filesystem::path& file, std::size_t limit) {
  std::error_code problem;
  if (std::filesystem::is_directory(file, problem)) {
    return fail(ErrorCode::kInvalidArgument, file.string() + ": is a folder; expected a file");
  }
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    const int code = errno;
    return fail(code == EACCES ? ErrorCode::kPermissionDenied : ErrorCode::kNotFound,
                fmt::format("{}: cannot be read: {}", file.string(), std::strerror(code)));
  }
  std::string text(limit + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad()) return fail(ErrorCode::kUnavailable, file.string() + ": reading failed");
  if (text.size() > limit) {
    return fail(ErrorCode::kResourceExhausted, fmt::format("{}: larger than {} bytes", file.string(), limit));
  }
  return text;
}

}  // namespace consilium::config
