// SPDX-License-Identifier: Apache-2.0
// The requests that every benchmark records, the same in each run. The host is in daemon mode, so that all phases are
// in use; durations are from a tenth of a millisecond to seconds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>

#include "sluice/completion.hpp"

namespace sluice::bench {

/// Number of requests: few enough for the first-level cache, and too many for branch prediction to learn.
inline constexpr std::size_t kRequests = 64;

/// The first instant.
inline constexpr std::uint64_t kStartNs = 1'000'000'000;

class Workload {
 public:
  Workload() {
    std::mt19937_64 random(1);
    for (Completion& completion : requests_) completion = request(random);
  }

  [[nodiscard]] const Completion& operator[](std::size_t i) const noexcept { return requests_[i % kRequests]; }

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

}  // namespace sluice::bench
