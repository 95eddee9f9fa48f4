#pragma once

#include <string>
#include <string_view>

namespace consilium::report {

/// Escapes text for the content and the attributes of XML and HTML. Drops control characters, because XML 1.0 doesn't
/// allow them even when escaped.
[[nodiscard]] std::string escape_markup(std::string_view text);

}  // namespace consilium::report
