#include "common/logging/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/logging/event.h"

namespace consilium::logging {
namespace {

constexpr const char* kTime = "%Y-%m-%dT%H:%M:%S.%eZ";

/// The program that writes the log, and a client's site.
struct Writer {
  std::string program;
  std::string site;
};

/// Writes "[EVENT] MESSAGE" on one line, even if a message that quotes a peer or a trainer contains line breaks.
class WordsFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/, spdlog::memory_buf_t& out) override {
    if (const Line* line = current_line()) {
      constexpr std::string_view kOpen = "[", kClose = "] ";
      for (const std::string_view part : {kOpen, line->entry.name, kClose})
        out.append(part.data(), part.data() + part.size());
    }
    for (const char c : std::string_view(message.payload.data(), message.payload.size())) {
      const auto byte = static_cast<unsigned char>(c);
      out.push_back(byte < 0x20 || byte == 0x7F ? ' ' : c);
    }
  }
  [[nodiscard]] std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
    return std::make_unique<WordsFlag>();
  }
};

std::unique_ptr<spdlog::formatter> text_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<WordsFlag>('*').set_pattern(std::string(kTime) + " %^%-7l%$ %*");
  return formatter;
}

/// Writes one JSON object a line. The library's escaping keeps a hostile peer's text inside its string.
class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(Writer writer)
      : writer_(std::move(writer)), time_(kTime, spdlog::pattern_time_type::utc, "") {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    spdlog::memory_buf_t time;
    time_.format(message, time);
    const auto level = spdlog::level::to_string_view(message.level);
    nlohmann::ordered_json line = {{"time", std::string(time.data(), time.size())},
                                   {"level", std::string(level.data(), level.size())},
                                   {"program", writer_.program}};
    add_fields(line);
    line["message"] = std::string(message.payload.data(), message.payload.size());
    const std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    out.append(text.data(), text.data() + text.size());
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormatter>(writer_);
  }

 private:
  void add_fields(nlohmann::ordered_json& line) const {
    const Line* now = current_line();
    const Fields none;
    const Fields& fields = now != nullptr ? now->fields : none;
    if (now != nullptr) line["event"] = now->entry.name;
    const std::string& site = fields.site.empty() ? writer_.site : fields.site;
    const std::pair<const char*, const std::string&> names[] = {
        {"job", fields.job}, {"site", site}, {"researcher", fields.researcher}};
    for (const auto& [key, value] : names) {
      if (!value.empty()) line[key] = value;
    }
    if (fields.round) line["round"] = *fields.round;
    for (const auto& more : fields.more)
      std::visit([&line, &more](const auto& one) { line[more.first] = one; }, more.second);
  }

  Writer writer_;
  spdlog::pattern_formatter time_;
};

spdlog::level::level_enum level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug:
      return spdlog::level::debug;
    case config::LogLevel::kInfo:
      return spdlog::level::info;
    case config::LogLevel::kWarning:
      return spdlog::level::warn;
    case config::LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Set only once, before other threads start.
Writer& writer() {
  static Writer one;
  return one;
}

}  // namespace

void configure(std::string_view program, const config::LogConfig& config, const std::string& site) {
  writer() = {std::string(program), site};
  auto logger =
      std::make_shared<spdlog::logger>(std::string(program), std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->flush_on(spdlog::level::debug);
  spdlog::set_default_logger(std::move(logger));
  change(config);
}

void change(const config::LogConfig& config) {
  spdlog::logger& logger = *spdlog::default_logger_raw();
  logger.set_level(level_of(config.level));
  if (config.format == config::LogFormat::kJson) {
    logger.set_formatter(std::make_unique<JsonFormatter>(writer()));
  } else {
    logger.set_formatter(text_formatter());
  }
}

}  // namespace consilium::logging
