// SPDX-License-Identifier: Apache-2.0
// The recorder of a process that serves Python applications: the eight phases, how they are derived from timestamps,
// and the slow requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "adapters/wsgi/schema/completion.hpp"
#include "adapters/wsgi/schema/phase.hpp"
#include "adapters/wsgi/schema/process_board.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"
#include "sluice/recorder.hpp"

namespace sluice::wsgi {

/// Settings of a recorder; those of the core are described in sluice/recorder_options.hpp.
struct RecorderOptions {
  std::size_t threads = 1;
  Mode mode = Mode::kEmbedded;  ///< Says which phases exist.
  const Clock* clock = nullptr;
  bool allow_membarrier = true;
  MeasurePhases measure_phases = overlapping_phases;  ///< How hosts derive phases from timestamps.
  std::optional<std::uint64_t> slow_threshold_us{};   ///< Duration from which on requests are slow; none: none are.
  bool publish_requests = false;                      ///< Requests in flight are described in `memory`.
  std::span<std::byte> memory{};
};

using Worker = sluice::Worker<Completion>;
using Request = sluice::Request<Completion>;

/// Returns the board of a process that records in a region of a registry; an unused one without a region.
[[nodiscard]] inline ProcessBoard board_in(std::span<std::byte> region, std::size_t threads) noexcept {
  const std::size_t recorder_bytes = sluice::Recorder<Completion>::memory_bytes(threads);
  return region.size() > recorder_bytes ? ProcessBoard(region.subspan(recorder_bytes), threads) : ProcessBoard();
}

/// The metrics of one process.
class Recorder : public sluice::Recorder<Completion> {
 public:
  using Options = RecorderOptions;

  /// Makes a recorder, see sluice::Recorder.
  explicit Recorder(const Options& options)
      : sluice::Recorder<Completion>({.threads = options.threads,
                                      .mode = mode_number(options.mode),
                                      .clock = options.clock,
                                      .allow_membarrier = options.allow_membarrier,
                                      .memory = options.memory}),
        measure_phases_(options.measure_phases),
        slow_requests_(options.slow_threshold_us
                           ? std::make_unique<SlowRequests>(options.threads, *options.slow_threshold_us, clock())
                           : nullptr),
        board_(board_in(options.memory, options.threads)),
        publish_requests_(options.publish_requests) {}

  /// Returns the mode that was given.
  [[nodiscard]] Mode mode() const noexcept { return static_cast<Mode>(sluice::Recorder<Completion>::mode()); }
  /// Returns the function that derives phases from timestamps.
  [[nodiscard]] MeasurePhases measure_phases() const noexcept { return measure_phases_; }
  /// Returns the slow requests of this process; null without a threshold.
  [[nodiscard]] SlowRequests* slow_requests() noexcept { return slow_requests_.get(); }
  /// Returns what other processes read of this one beside its counts.
  [[nodiscard]] const ProcessBoard& board() const noexcept { return board_; }
  /// Returns the board if requests in flight are to be described there; null otherwise.
  [[nodiscard]] const ProcessBoard* request_board() const noexcept { return publish_requests_ ? &board_ : nullptr; }

 private:
  MeasurePhases measure_phases_;
  std::unique_ptr<SlowRequests> slow_requests_;
  ProcessBoard board_;
  bool publish_requests_;
};

}  // namespace sluice::wsgi
