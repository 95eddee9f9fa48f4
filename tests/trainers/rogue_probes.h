#pragma once

#include <string>

/// What a trainer can try against the machine it runs on. Each probe prints "reached: ..." if it succeeded, and
/// "refused: ..." with the system's reason if it didn't.
namespace consilium::rogue {

std::string probe(const std::string& name, const std::string& target);

}  // namespace consilium::rogue
