// SPDX-License-Identifier: Apache-2.0
// A reader whose windows all begin where it was added: for formats that count from a beginning on, such as what
// Prometheus scrapes.
#pragma once

#include <cstdint>
#include <mutex>

#include "sluice/recorder.hpp"
#include "sluice/status.hpp"
#include "sluice/window.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup read_api
/// @{

/// Adds up the windows of a Reader. Thread-safe. Must not outlive the Recorder. In a forked child the sum begins anew,
/// as the windows of the Reader do; it must not be used there if another thread was in read() at the moment of the
/// fork.
class CumulativeReader {
 public:
  /// Takes over a reader. The sum begins where the reader's next window does.
  explicit CumulativeReader(Reader reader);

  /// Sets `window` to the sum of all windows since construction, or since the fork: `start_time` stays, counts only
  /// grow, extremes are those of the whole time. Blocks on other calls and as Reader::drain() does. \return Unavailable
  /// as Reader::drain() does; nothing is lost, and `window` is unchanged. \throws std::bad_alloc Nothing is lost
  /// either.
  [[nodiscard]] Status read(Window& window);

 private:
  void add_latest();

  std::mutex mutex_;
  Reader reader_;
  Window latest_;
  Window sum_;
  std::int64_t process_;  ///< The process that the sum is of.
  bool begun_ = false;
  bool unadded_ = false;  ///< True if the sum lacks the last window.
};

/// @}

}  // namespace sluice
