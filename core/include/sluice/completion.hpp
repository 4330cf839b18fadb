// SPDX-License-Identifier: Apache-2.0
// The measurements of one request that a host makes, handed to the recorder when the request is done.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice {

/// \addtogroup record
/// @{

/// The single waits for an interpreter lock during one request.
struct GilWaits {
  std::uint64_t count = 0;            ///< Number of waits.
  std::uint64_t total_ns = 0;         ///< Sum of all waits.
  std::uint64_t min_ns = UINT64_MAX;  ///< Shortest single wait. Meaningful if `count` is not 0.
  std::uint64_t max_ns = 0;           ///< Longest single wait.

  /// Adds one wait.
  constexpr void add(std::uint64_t wait_ns) noexcept {
    ++count;
    total_ns += wait_ns;
    min_ns = std::min(min_ns, wait_ns);
    max_ns = std::max(max_ns, wait_ns);
  }
};

/// The measurements of one request. Durations are whole microseconds, cut off, not rounded. Phases that a host does not
/// have stay 0. A host may fill the members itself, or have Recorder::measure_phases() derive phases from Timestamps.
struct Completion {
  int status =
      200;  ///< Status code of the response. 0 (no response was started) and codes outside 100..599 count as 5xx.

  std::uint64_t server_us = 0;        ///< Phase::kServer.
  std::uint64_t application_us = 0;   ///< Phase::kApplication.
  std::uint64_t request_us = 0;       ///< Phase::kRequest.
  std::uint64_t input_read_us = 0;    ///< Phase::kInputRead.
  std::uint64_t output_write_us = 0;  ///< Phase::kOutputWrite.
  std::uint64_t queue_us = 0;         ///< Phase::kQueue. Not recorded in embedded mode.
  std::uint64_t daemon_us = 0;        ///< Phase::kDaemon. Not recorded in embedded mode.
  GilWaits gil_waits = {};            ///< Phase::kGilWait.

  std::uint64_t cpu_ns = 0;         ///< CPU time that the thread spent on the request.
  std::uint64_t input_bytes = 0;    ///< Bytes read from the request body.
  std::uint64_t input_reads = 0;    ///< Number of reads from the request body.
  std::uint64_t output_bytes = 0;   ///< Bytes written to the response body.
  std::uint64_t output_writes = 0;  ///< Number of writes to the response body.
};

/// @}

}  // namespace sluice
