// A reader whose windows all begin where it was added: for formats that count from a beginning on, such as what
// Prometheus scrapes.
#pragma once

#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "sluice/recorder.hpp"
#include "sluice/window.hpp"

namespace sluice {

/// Any thread. Must not outlive the Recorder. After a fork the child's sum goes on from its parent's: make another.
class CumulativeReader {
 public:
  /// The sum begins where the reader's next window does.
  explicit CumulativeReader(Reader reader) : reader_(std::move(reader)) {}

  /// Sets `window` to all since the beginning: start_time stays, counts only grow, extremes are of all time. Blocks and
  /// fails as Reader::drain does; nothing is lost then.
  [[nodiscard]] absl::Status read(Window& window);

 private:
  std::mutex mutex_;
  Reader reader_;
  Window latest_;
  Window sum_;
  bool begun_ = false;
};

}  // namespace sluice
