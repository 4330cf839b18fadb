// SPDX-License-Identifier: Apache-2.0
// The settings of a recorder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/clock.hpp"

namespace sluice::inline v0_1 {

class SeriesSetBase;

/// \addtogroup record_api
/// @{

/// Settings of a recorder.
struct RecorderOptions {
  static constexpr std::size_t kSeriesMost = 1'000'000;  ///< Greatest number of series.
  static constexpr std::size_t kExemplarRanges = 8;      ///< Number of exemplars of a slot.

  std::size_t threads = 1;  ///< Number of worker slots, at least 1. Memory is committed when a slot is first used.
  /// Number of series that Recorder::series() can make; 0: the recorder has no labels. A series takes address space in
  /// each slot, and memory from its first request in a slot on.
  std::size_t series = 0;
  /// Series that a parent has resolved for its processes, not owned; null: Recorder::series() resolves them. `series`
  /// then is that of the set, whatever it says.
  const SeriesSetBase* series_set = nullptr;
  std::uint8_t mode = 0;         ///< Mode of the host, from 0 to 7: says which fields of the schema exist.
  const Clock* clock = nullptr;  ///< Source of time, not owned; null: system_clock().
  /// True: threads are event loops, each with many requests in flight. Workers then are shared, and windows, totals and
  /// text have the age of the oldest request instead of busy time, capacity and figures of threads.
  bool event_loops = false;
  /// Duration from which a request with a trace is kept as an exemplar (Window::exemplars); 0: there are none, and they
  /// take no memory. Each slot keeps eight: the last request of at least this duration, of at least twice, four times
  /// and so on up to 128 times this duration, each up to the next. Requests in overflow counters have none, because
  /// several threads would write them. Readers in other processes have none, because exemplars are not in `memory`.
  std::uint64_t exemplars_from_ns = 0;
  bool allow_membarrier = true;  ///< If false, each record passes a full fence, as on kernels without membarrier().
  /// Where workers record: what a registry has reserved for this number of threads, this mode and its series, or at
  /// least Recorder::memory_bytes(threads, series) of zeroed whole pages. They outlive the
  /// recorder and may be shared with processes that read them. The counts stay in them. Empty: memory of the recorder's
  /// own.
  std::span<std::byte> memory{};
};

/// @}

}  // namespace sluice
