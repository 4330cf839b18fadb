// SPDX-License-Identifier: Apache-2.0
// Seeds with which a failed test can be repeated, and random requests.
#pragma once

#include "phases.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace sluice::test {

/// Returns and prints the seed: SLUICE_SEED if it is set, else a random one.
inline std::uint64_t seed() {
  const char* const text = std::getenv("SLUICE_SEED");
  const std::uint64_t value = text != nullptr ? std::strtoull(text, nullptr, 0) : std::random_device{}();
  std::printf("SLUICE_SEED=%llu\n", static_cast<unsigned long long>(value));
  return value;
}

/// Returns true if SLUICE_LONG asks for runs of release size.
inline bool long_run() { return std::getenv("SLUICE_LONG") != nullptr; }

using Random = std::mt19937_64;

/// Returns a value up to 2^62. All numbers of bits are equally likely.
inline std::uint64_t any_size(Random& random, unsigned bits = 62) {
  return random() & ((1ULL << (random() % (bits + 1))) - 1);
}

/// Returns a completion with every field in use. Durations are below 2^36 us, so that sums cannot overflow.
inline Completion any_completion(Random& random, Mode mode) {
  const auto us = [&random] { return any_size(random, 36); };
  Completion done{.status = static_cast<int>(random() % 700) - 50,
                  .server_us = us(),
                  .application_us = us(),
                  .request_us = us(),
                  .input_read_us = us(),
                  .output_write_us = us(),
                  .cpu_ns = any_size(random, 40),
                  .input_bytes = any_size(random, 40),
                  .input_reads = random() % 9,
                  .output_bytes = any_size(random, 40),
                  .output_writes = random() % 9};
  if (mode == Mode::kDaemon) {
    done.queue_us = us();
    done.daemon_us = us();
  }
  for (std::uint64_t waits = random() % 4; waits > 0; --waits) {
    done.gil_waits.add(any_size(random, 36));
  }
  return done;
}

}  // namespace sluice::test
