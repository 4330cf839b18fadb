// What a host measured of one request, handed to the recorder when the request is done.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

/// The single waits for an interpreter lock during one request.
struct GilWaits {
  std::uint64_t count = 0;
  std::uint64_t total_ns = 0;
  std::uint64_t min_ns = UINT64_MAX;  ///< Of a single wait. Meaningful when count > 0.
  std::uint64_t max_ns = 0;           ///< Of a single wait.

  constexpr void add(std::uint64_t wait_ns) noexcept {
    ++count;
    total_ns += wait_ns;
    min_ns = std::min(min_ns, wait_ns);
    max_ns = std::max(max_ns, wait_ns);
  }
};

/// Durations are whole microseconds, cut off, not rounded. Phases that a host does not have stay 0.
struct Completion {
  /// The status code of the response. 0 (no response was started) and anything outside 100..599 count as 5xx.
  int status = 200;

  std::uint64_t server_us = 0;
  std::uint64_t application_us = 0;
  std::uint64_t request_us = 0;
  std::uint64_t input_read_us = 0;
  std::uint64_t output_write_us = 0;
  std::uint64_t queue_us = 0;   ///< Daemon mode only; not recorded in embedded mode.
  std::uint64_t daemon_us = 0;  ///< Daemon mode only; not recorded in embedded mode.
  GilWaits gil_waits = {};

  std::uint64_t cpu_ns = 0;  ///< CPU time that the thread spent on the request.
  std::uint64_t input_bytes = 0;
  std::uint64_t input_reads = 0;
  std::uint64_t output_bytes = 0;
  std::uint64_t output_writes = 0;
};

}  // namespace sluice
