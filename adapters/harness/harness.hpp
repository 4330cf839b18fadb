// SPDX-License-Identifier: Apache-2.0
// The host for tests. The test moves its clock and defines its requests. It has no server and no interpreter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "adapters/wsgi/schema/completion.hpp"
#include "adapters/wsgi/schema/recorder.hpp"
#include "adapters/wsgi/schema/slow_requests.hpp"
#include "bindings/host.hpp"
#include "sluice/manual_clock.hpp"

namespace sluice::harness {

/// Owns the clock. It is a base class, so that the clock exists before the recorder.
struct ClockOwner {
  ManualClock clock;
};

class Harness final : private ClockOwner, public bindings::Host {
 public:
  struct Options {
    std::size_t threads = 4;
    wsgi::Mode mode = wsgi::Mode::kEmbedded;
    bool external_reporter = false;
    std::optional<std::uint64_t> slow_threshold_us{};
  };

  /// Throws std::invalid_argument for no threads.
  explicit Harness(Options options);

  /// Moves the clock on. Returns OutOfRange, and moves nothing, beyond the year 2262.
  [[nodiscard]] absl::Status advance_us(std::uint64_t us);

  /// Begins a request on a slot, numbered from 1. Returns OutOfRange for a slot that does not exist and
  /// FailedPrecondition for a busy one.
  [[nodiscard]] absl::Status begin(std::size_t slot, const wsgi::RequestTexts& texts = {});

  /// Completes the request of a slot now. Returns FailedPrecondition when there is none and InvalidArgument for a
  /// daemon phase in embedded mode; then nothing is recorded.
  [[nodiscard]] absl::Status finish(std::size_t slot, const wsgi::Completion& done);

  /// Begins and completes a request. After an error the slot does not count as started.
  [[nodiscard]] absl::Status request(std::size_t slot, const wsgi::Completion& done,
                                     const wsgi::RequestTexts& texts = {});

  [[nodiscard]] bool external_reporter() const noexcept override { return options_.external_reporter; }
  [[nodiscard]] std::string process_group() const override { return {}; }
  [[nodiscard]] long maximum_processes() const noexcept override { return 1; }
  [[nodiscard]] long threads_per_process() const noexcept override { return static_cast<long>(options_.threads); }
  void log(LogLevel level, std::string_view line) const noexcept override;

 private:
  [[nodiscard]] absl::Status check_slot(std::size_t slot) const;
  [[nodiscard]] absl::Status check(const wsgi::Completion& done) const;

  const Options options_;
  struct Slot {
    std::mutex mutex;  ///< Guards the others, because Python's threads may run in parallel.
    wsgi::Worker worker;
    std::optional<wsgi::Request> request;
  };
  std::vector<Slot> slots_;
};

}  // namespace sluice::harness
