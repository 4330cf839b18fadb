// SPDX-License-Identifier: Apache-2.0
// Helpers of stress tests: requests whose fields depend on one another, so that a torn window is noticed, and threads
// that count the requests that they serve.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "expected.hpp"
#include "phases.hpp"
#include "random.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/window.hpp"

namespace sluice::test {

#if defined(__SANITIZE_ADDRESS__)
#define SLUICE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SLUICE_ADDRESS_SANITIZER 1
#endif
#endif
#if !defined(SLUICE_ADDRESS_SANITIZER)
#define SLUICE_ADDRESS_SANITIZER 0
#endif

#if SLUICE_THREAD_SANITIZER || defined(SLUICE_TEST_EMULATED)
inline constexpr std::uint64_t kSlower = 20;
#elif SLUICE_ADDRESS_SANITIZER
inline constexpr std::uint64_t kSlower = 3;
#elif !defined(__OPTIMIZE__)
inline constexpr std::uint64_t kSlower = 5;
#else
inline constexpr std::uint64_t kSlower = 1;
#endif

/// Returns the first number in a default run and the second in a long one; less where each operation costs more.
inline std::uint64_t tier(std::uint64_t ordinary, std::uint64_t longer) {
  return (long_run() ? longer : ordinary) / kSlower;
}

/// Returns a number of requests: less where each costs more, and many more in a long run.
inline std::uint64_t scaled(std::uint64_t requests) { return requests * (long_run() ? 50 : 1) / kSlower; }

/// A fixed set of different requests. Bytes and CPU time follow from the durations.
class Mix {
 public:
  static constexpr std::size_t kSize = 61;

  explicit Mix(std::uint64_t seed, Mode mode) : mode_(mode) {
    Random random(seed);
    for (Completion& request : requests_) {
      request = any_completion(random, mode);
      request.input_bytes = 3 * request.server_us + 1;
      request.output_bytes = 5 * request.application_us;
      request.cpu_ns = 7 * request.request_us;
      request.input_reads = 2;
      request.output_writes = 3;
    }
  }

  [[nodiscard]] const Completion& operator[](std::size_t i) const { return requests_[i]; }

  /// Returns the expected counts when each request was served as often as `served` says.
  [[nodiscard]] Counts counts(const std::array<std::uint64_t, kSize>& served) const {
    Counts counts;
    for (std::size_t i = 0; i < kSize; ++i) counts.add(requests_[i], mode_, served[i]);
    return counts;
  }

  /// Returns a description of the first identity that a window of such requests breaks; empty if it is whole.
  [[nodiscard]] static std::string broken(const Window& window) {
    if (std::string broken = broken_identity(window); !broken.empty()) return broken;
    const std::uint64_t requests = window.request_count;
    const std::uint64_t cpu_ns = window.get<&Completion::cpu_ns>();
    if (window.get<&Completion::input_bytes>() != 3 * phase_of(window, Phase::kServer).total + requests)
      return "input bytes";
    if (window.get<&Completion::output_bytes>() != 5 * phase_of(window, Phase::kApplication).total)
      return "output bytes";
    if (cpu_ns != 7 * phase_of(window, Phase::kRequest).total) return "CPU time";
    if (window.get<&Completion::input_reads>() != 2 * requests) return "input reads";
    if (window.get<&Completion::output_writes>() != 3 * requests) return "output writes";
    return {};
  }

 private:
  Mode mode_;
  std::array<Completion, kSize> requests_;
};

/// The number of times that one thread served each request of a mix.
class Tally {
 public:
  explicit Tally(std::uint64_t seed) : next_(seed % Mix::kSize) {}

  /// Returns the next request to serve, and counts it.
  std::size_t next() {
    next_ = (next_ * 17 + 29) % Mix::kSize;
    ++served_[next_];
    return next_;
  }

  void add(const Tally& other) {
    for (std::size_t i = 0; i < served_.size(); ++i) served_[i] += other.served_[i];
  }

  [[nodiscard]] const std::array<std::uint64_t, Mix::kSize>& served() const { return served_; }

 private:
  std::array<std::uint64_t, Mix::kSize> served_{};
  std::uint64_t next_;
};

/// The observations of one reader.
struct Seen {
  Counts counts;
  std::uint64_t windows = 0;
  std::uint64_t busy_ns = 0;
  std::string broken;  ///< Description of the first window that was not whole.

  void add(const Window& window) {
    ++windows;
    for (const SlotWindow& slot : window.slots) busy_ns += slot.busy_ns;
    if (broken.empty()) broken = Mix::broken(window);
    if (window.request_count != 0) counts.add(Counts::of(window));
  }
};

}  // namespace sluice::test
