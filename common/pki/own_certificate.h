#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/error/error.h"

namespace consilium::pki {

/// How long before its end a certificate is warned of.
inline constexpr std::time_t kWarnBeforeEnd = 30 * 86400;

/// Says that a certificate ends within kWarnBeforeEnd, or has ended; nothing where it lasts longer.
/// @param whose  names it: "/etc/consilium/north.pem: this certificate", "the certificate of site north"
/// @param end    UTC seconds
[[nodiscard]] std::optional<std::string> end_warning(const std::string& whose, std::time_t end, std::time_t now);

/// The certificate that a program connects with, in a file that may be replaced by a renewed one. Not thread-safe.
class OwnCertificate {
 public:
  /// @param clock  UTC seconds
  OwnCertificate(
      std::filesystem::path certificate, std::filesystem::path key,
      std::function<std::time_t()> clock = [] { return std::time(nullptr); });

  /// Returns what to log about the end of the certificate in the file. The same words come once a day.
  [[nodiscard]] std::optional<std::string> warning_due();
  /// Whether the file holds another certificate, with its key, than at the last call of take().
  [[nodiscard]] bool renewed() const;
  /// Notes the file's certificate as the one that is in use from now on.
  void take();
  /// End of the certificate in use, UTC seconds; 0 where none could be read.
  [[nodiscard]] std::time_t end() const { return end_; }

 private:
  std::filesystem::path certificate_;
  std::filesystem::path key_;
  std::function<std::time_t()> clock_;
  std::string in_use_;  ///< PEM
  std::time_t end_ = 0;
  std::string last_warning_;
  std::time_t last_warned_ = 0;
};

}  // namespace consilium::pki
