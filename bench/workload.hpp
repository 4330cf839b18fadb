// SPDX-License-Identifier: Apache-2.0
// The requests that every benchmark records, the same in each run. The host is in daemon mode, so that all phases are
// in use; durations are from a tenth of a millisecond to seconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>

#include "adapters/wsgi/schema/completion.hpp"
#include "bench/small.hpp"
#include "sluice/recorder.hpp"
#include "sluice/units.hpp"

namespace sluice::bench {

using wsgi::Completion;
using wsgi::Mode;
using PhasesRecorder = Recorder<Completion>;
using PhasesWorker = Worker<Completion>;

/// The mode of the host, as settings of a recorder have it.
inline constexpr auto kDaemonMode = static_cast<std::uint8_t>(Mode::kDaemon);

/// Number of requests: few enough for the first-level cache, and too many for branch prediction to learn.
inline constexpr std::size_t kRequests = 64;

/// The first instant.
inline constexpr std::uint64_t kStartNs = 1'000'000'000;

/// Requests of the eight phases.
class Workload {
 public:
  Workload() {
    std::mt19937_64 random(1);
    for (Completion& completion : requests_) completion = request(random);
  }

  [[nodiscard]] const Completion& operator[](std::size_t i) const noexcept { return requests_[i % kRequests]; }
  [[nodiscard]] std::uint64_t duration_ns(std::size_t i) const noexcept { return (*this)[i].request_us * kNsPerUs; }

 private:
  static Completion request(std::mt19937_64& random) {
    constexpr std::array kStatuses = {200, 200, 200, 200, 304, 302, 404, 500};
    const std::uint64_t application_us = 100 + random() % (1ULL << (7 + random() % 15));
    const std::uint64_t queue_us = random() % 5'000;
    Completion done{.status = kStatuses[random() % kStatuses.size()],
                    .server_us = application_us + queue_us + random() % 500,
                    .application_us = application_us,
                    .request_us = application_us + queue_us + random() % 400,
                    .input_read_us = random() % 2'000,
                    .output_write_us = random() % 2'000,
                    .queue_us = queue_us,
                    .daemon_us = application_us + random() % 100,
                    .cpu_ns = application_us * 500,
                    .input_bytes = random() % 10'000,
                    .input_reads = random() % 3,
                    .output_bytes = random() % 100'000,
                    .output_writes = 1 + random() % 3};
    for (std::uint64_t waits = 1 + random() % 3; waits > 0; --waits) {
      done.gil_waits.add(random() % 5'000'000);
    }
    return done;
  }

  std::array<Completion, kRequests> requests_;
};

/// Requests of the small schema: statuses, bytes and durations of the others. The recorder measures the durations.
class SmallWorkload {
 public:
  SmallWorkload() {
    const Workload others;
    for (std::size_t i = 0; i < kRequests; ++i) {
      requests_[i] = {.status = others[i].status, .bytes = others[i].output_bytes};
      durations_ns_[i] = others.duration_ns(i);
    }
  }

  [[nodiscard]] const Small& operator[](std::size_t i) const noexcept { return requests_[i % kRequests]; }
  [[nodiscard]] std::uint64_t duration_ns(std::size_t i) const noexcept { return durations_ns_[i % kRequests]; }

 private:
  std::array<Small, kRequests> requests_;
  std::array<std::uint64_t, kRequests> durations_ns_{};
};

}  // namespace sluice::bench
