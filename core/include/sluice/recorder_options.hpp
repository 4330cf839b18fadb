// SPDX-License-Identifier: Apache-2.0
// The settings of a recorder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/clock.hpp"

namespace sluice::inline v0_1 {

/// \addtogroup record
/// @{

/// Settings of a recorder.
struct RecorderOptions {
  static constexpr std::size_t kSeriesMost = 1'000'000;  ///< Greatest number of series.

  std::size_t threads = 1;  ///< Number of worker slots, at least 1. Memory is committed when a slot is first used.
  /// Number of series that Recorder::series() can make; 0: the recorder has no labels. A series takes address space in
  /// each slot, and memory from its first request in a slot on.
  std::size_t series = 0;
  std::uint8_t mode = 0;         ///< Mode of the host, from 0 to 7: says which fields of the schema exist.
  const Clock* clock = nullptr;  ///< Source of time, not owned; null: system_clock().
  /// True: threads are event loops, each with many requests in flight. Workers then are shared, and windows, totals and
  /// text have the age of the oldest request instead of busy time, capacity and figures of threads.
  bool event_loops = false;
  bool allow_membarrier = true;  ///< False: each record passes a full fence, as on kernels without membarrier().
  /// Where workers record: at least Recorder::memory_bytes(threads, series) of zeroed whole pages, which outlive the
  /// recorder and may be shared with processes that read them. The counts stay in them. Empty: memory of the recorder's
  /// own.
  std::span<std::byte> memory{};
};

/// @}

}  // namespace sluice
