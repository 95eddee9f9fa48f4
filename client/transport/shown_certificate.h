#pragma once

#include <chrono>
#include <string>

#include "common/error/error.h"

namespace consilium::transport {

/// Returns the certificate that a server shows, without revealing anything about this end: begins a TLS 1.3 handshake
/// and breaks it off once the server has shown its certificate. This is needed because gRPC reports only that OpenSSL
/// refused a certificate, not which one or why (docs/adr/0038).
/// @param address      "host:port", with an IPv6 host in brackets
/// @param server_name  the name to ask for, or "" for the address's host
/// @param proxy        "http://host:port" for HTTP CONNECT, or "" for none
/// @param limit        time limit of connecting, and of everything after it together
/// @return the certificate in PEM. It proves nothing, because neither the certificate nor the possession of its key was
///         verified.
Result<std::string> certificate_shown_at(const std::string& address, const std::string& server_name,
                                         const std::string& proxy, std::chrono::seconds limit);

}  // namespace consilium::transport
