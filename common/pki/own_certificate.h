#pragma once

#include <ctime>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "common/error/error.h"

namespace consilium::pki {

/// How long before a certificate's end the warnings begin.
inline constexpr std::time_t kWarnBeforeEnd = 30 * 86400;

/// Returns a warning that a certificate ends within kWarnBeforeEnd or has ended, or nullopt if it is valid for longer.
/// @param whose  how the text names the certificate: "/etc/consilium/north.pem: this certificate", "the certificate of
/// site north"
/// @param end    UTC seconds
[[nodiscard]] std::optional<std::string> end_warning(const std::string& whose, std::time_t end, std::time_t now);

/// The certificate with which a program connects. A renewed certificate may replace it in its file. Not thread-safe.
class OwnCertificate {
 public:
  /// @param clock  UTC seconds
  OwnCertificate(
      std::filesystem::path certificate, std::filesystem::path key,
      std::function<std::time_t()> clock = [] { return std::time(nullptr); });

  /// Returns the warning to log about the end of the certificate in the file, if one is due. The same text is returned
  /// at most once a day.
  [[nodiscard]] std::optional<std::string> warning_due();
  /// Returns true if the file holds a different certificate than at the last call of take(), and the key file holds its
  /// key.
  [[nodiscard]] bool renewed() const;
  /// Records the certificate in the file as the one that is now in use.
  void take();
  /// Returns the end of the certificate in use, UTC seconds, or 0 if no certificate could be read.
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
