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
  std::span<std::byte> memory{};
};

using Worker = sluice::Worker<Completion>;
using Request = sluice::Request<Completion>;

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
                           : nullptr) {}

  /// Returns the mode that was given.
  [[nodiscard]] Mode mode() const noexcept { return static_cast<Mode>(sluice::Recorder<Completion>::mode()); }
  /// Returns the function that derives phases from timestamps.
  [[nodiscard]] MeasurePhases measure_phases() const noexcept { return measure_phases_; }
  /// Returns the slow requests of this process; null without a threshold.
  [[nodiscard]] SlowRequests* slow_requests() noexcept { return slow_requests_.get(); }

 private:
  MeasurePhases measure_phases_;
  std::unique_ptr<SlowRequests> slow_requests_;
};

}  // namespace sluice::wsgi
