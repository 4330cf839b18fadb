// SPDX-License-Identifier: Apache-2.0
// The exemplars of a recorder: for each slot, the trace of its request in flight and the last slow requests that had a
// trace. In memory of its own, which exists where RecorderOptions::exemplars_from_ns asks for it and which a forked
// child finds zeroed. The argument is in docs/memory-model.md, "Exemplars".
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "os/mapping.hpp"
#include "series_names.hpp"
#include "sluice/exemplar.hpp"
#include "sluice/recorder_options.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/trace.hpp"

namespace sluice::inline v0_1::detail {

/// The thread that owns a slot writes what belongs to the slot; any thread reads.
class ExemplarMemory {
 public:
  /// Maps the memory, if the options ask for exemplars. \throws std::invalid_argument if the recorder cannot have any.
  ExemplarMemory(const RecorderOptions& options, const SchemaInfo& schema);

  /// Returns true if the recorder keeps exemplars.
  [[nodiscard]] bool exists() const noexcept { return mapping_.has_value(); }
  /// Zeroes memory that a fork has not, on old kernels. For the thread that recovers the recorder.
  void recover() noexcept;

  /// Sets the trace of the request in flight of a slot. Called by the thread of the slot; wait-free.
  void set_trace(std::size_t slot, const Trace& trace) noexcept;
  /// Keeps the request that has just ended in a slot, with the trace that was set, if it was slow. Called by the thread
  /// of the slot; wait-free.
  void keep(std::size_t slot, std::uint64_t duration_ns, std::uint32_t series, const Clock& clock) noexcept;

  /// Sets `to` to the exemplars of the first `slots` slots. Those of series without a name are of the overflow series.
  /// \throws std::bad_alloc
  void collect(std::size_t slots, const SeriesNames* names, std::vector<Exemplar>& to) const;

 private:
  struct Slot;

  [[nodiscard]] Slot& slot(std::size_t i) const noexcept;

  std::uint64_t from_ns_;
  std::uint64_t unit_ns_ = 1;  ///< Nanoseconds of the unit in which the field is recorded.
  std::optional<os::Mapping> mapping_;
};

}  // namespace sluice::detail
