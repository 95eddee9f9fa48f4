#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::secagg {

/// What follows from an event at the coordinator: messages to sites, and sites that are out of the attempt, with the
/// reason.
template <class Message>
struct OutputOf {
  struct Addressed {
    std::string site;
    Message message;
  };
  struct Lost {
    std::string site;
    Error error;
  };
  std::vector<Addressed> messages;
  std::vector<Lost> lost;
  std::vector<std::string> notes;  ///< for the log: shares that had to be left out
};

}  // namespace consilium::secagg
