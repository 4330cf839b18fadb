#include "bindings/recording.hpp"

#include <thread>

namespace sluice::bindings {

void Recording::start() {
  State seen = State::kOff;
  if (state_.compare_exchange_strong(seen, State::kStarting, std::memory_order_acq_rel, std::memory_order_acquire)) {
    try {
      reader_.emplace(recorder_->add_reader());
    } catch (...) {
      state_.store(State::kOff, std::memory_order_release);
      throw;
    }
    state_.store(State::kActive, std::memory_order_release);
    return;
  }
  while (state_.load(std::memory_order_acquire) == State::kStarting) std::this_thread::yield();
}

}  // namespace sluice::bindings
