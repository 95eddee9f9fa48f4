#include "client/trainer/interrupt.h"

#include <csignal>

namespace consilium::trainer {
namespace {

volatile std::sig_atomic_t noted_interrupt = 0;

void note_interrupt(int /*signal*/) {
  noted_interrupt = 1;
  std::signal(SIGINT, SIG_DFL);
}

}  // namespace

void watch_interrupt() { std::signal(SIGINT, note_interrupt); }

bool is_interrupted() { return noted_interrupt != 0; }

}  // namespace consilium::trainer
