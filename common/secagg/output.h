#pragma once

#include <string>
#include <vector>

#include "common/error/error.h"

namespace consilium::secagg {

/// Holds the result of an event at the coordinator: messages to send to sites, and sites that are out of the attempt,
/// each with the reason.
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
  std::vector<std::string> notes;  ///< for the log: shares that had to be ignored
};

}  // namespace consilium::secagg
