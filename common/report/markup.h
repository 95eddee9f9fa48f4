#pragma once

#include <string>
#include <string_view>

namespace consilium::report {

/// Escapes text for the content and the attributes of XML and HTML. Control characters, which XML 1.0 doesn't know even
/// when they are escaped, are left out.
[[nodiscard]] std::string escape_markup(std::string_view text);

}  // namespace consilium::report
