#pragma once

#include <string>

/// What a trainer might try against the machine it runs on. Each probe says "reached: ..." where it got through, and
/// "refused: ..." with the system's reason where it didn't.
namespace consilium::rogue {

std::string probe(const std::string& name, const std::string& target);

}  // namespace consilium::rogue
