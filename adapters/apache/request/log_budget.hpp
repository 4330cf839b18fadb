// SPDX-License-Identifier: Apache-2.0
// A limit for the log lines of one request, because a daemon process can send them at any rate.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {

/// Used by one thread.
class LogBudget {
 public:
  static constexpr std::uint64_t kBurstBytes = 16U << 20U;
  static constexpr std::uint64_t kBytesPerSecond = 1U << 20U;

  /// Returns true when a line of this size may be logged, and counts it either way.
  [[nodiscard]] bool allows(std::size_t size, std::uint64_t now_ns = monotonic_ns()) noexcept {
    refill(now_ns);
    const std::uint64_t cost = size + kPrefixBytes;
    if (cost > left_) {
      ++dropped_;
      return false;
    }
    left_ -= cost;
    return true;
  }

  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  static constexpr std::uint64_t kPrefixBytes =
      128;  ///< Approximate size of the text that the server writes in front of a line.

  void refill(std::uint64_t now_ns) noexcept {
    const std::uint64_t seconds = last_ns_ == 0 ? 0 : (now_ns - last_ns_) / kNsPerSecond;
    if (seconds == 0 && last_ns_ != 0) return;
    left_ = std::min(kBurstBytes, left_ + std::min(seconds, kBurstBytes / kBytesPerSecond) * kBytesPerSecond);
    last_ns_ = last_ns_ == 0 ? now_ns : last_ns_ + seconds * kNsPerSecond;
  }

  std::uint64_t left_ = kBurstBytes;
  std::uint64_t last_ns_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace sluice::apache
