// Whether a process's metrics are being read by its own code, and the one reader behind request_metrics().
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "sluice/recorder.hpp"

namespace sluice::bindings {

class Recording {
 public:
  explicit Recording(Recorder& recorder) noexcept : recorder_(&recorder) {}

  /// The first window begins now. Idempotent; any thread. Returns once the recording is active. Throws std::bad_alloc.
  void start();

  [[nodiscard]] bool active() const noexcept { return state_.load(std::memory_order_acquire) == State::kActive; }

  /// The window since the last drain. Requires active(). Blocks as Reader::drain does.
  [[nodiscard]] absl::Status drain(Window& window) { return reader_->drain(window); }

 private:
  enum class State : std::uint8_t { kOff, kStarting, kActive };

  Recorder* recorder_;
  std::atomic<State> state_{State::kOff};
  std::optional<Reader> reader_;
};

}  // namespace sluice::bindings
