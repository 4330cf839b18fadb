// SPDX-License-Identifier: Apache-2.0
// Runs writers against a reader that never waits, with every pair of atomics and fence. Also runs fences that are known
// to be too weak, because a stress test that does not notice those proves nothing.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "rig.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// Stores to memory that the caches of a thread do not hold, such as a thread has made that serves requests. Stores
/// become visible in their order on x86, so those that follow wait in the store buffer, whatever the speed of the
/// machine, and a missing fence shows early.
class PendingStores {
 public:
  void make() noexcept {
    for (int i = 0; i < kStores; ++i) {
      at_ = (at_ + kStride) % kBytes;
      static_cast<volatile char*>(memory_.get())[at_] = 1;
    }
  }

 private:
  static constexpr int kStores = 4;
  static constexpr std::size_t kBytes = std::size_t{16} << 20;
  /// An odd number of lines and more than a page, so that each line is visited and no access is foreseen.
  static constexpr std::size_t kStride = 81 * std::size_t{64};

  std::unique_ptr<char[]> memory_ = std::make_unique<char[]>(kBytes);
  std::size_t at_ = 0;
};

struct Outcome {
  Seen seen;
  Tally tally{0};
  bool stopped_early = false;
};

/// Runs writers that serve `requests` each while the calling thread cuts without pause. Ends at the first window that
/// is not whole. The wait budget is so small that writers are often deferred.
template <class Atomics, class Fence>
Outcome stress(const Mix& mix, std::size_t writers, std::uint64_t requests, int turns_allowed, bool with_pending) {
  Rig<Atomics> rig(writers);
  std::atomic<std::size_t> running{writers};
  std::atomic<bool> stop{false};
  std::vector<Tally> tallies;
  for (std::size_t i = 0; i < writers; ++i) tallies.emplace_back(i * 7);
  std::vector<std::thread> threads;
  for (std::size_t w = 0; w < writers; ++w) {
    rig.claim(w);
    threads.emplace_back([&, w] {
      Tally tally = tallies[w];
      PendingStores pending;
      for (std::uint64_t i = 0; i < requests && !stop.load(std::memory_order_relaxed); ++i) {
        const std::size_t which = tally.next();
        rig.begin(w, Rig<Atomics>::kStartNs + i + 1);
        if (with_pending) pending.make();
        rig.template record<Fence>(w, Rig<Atomics>::kStartNs + i + 1, Rig<Atomics>::kStartNs + i + 2, mix[which]);
      }
      tallies[w] = tally;
      running.fetch_sub(1);
    });
  }
  Outcome outcome;
  Window window = rig.empty_window();
  PendingStores pending;
  const auto cut = [&](std::uint64_t now_ns) {
    int turns = 0;
    if (with_pending) pending.make();
    if (!rig.template cut<Fence>(now_ns, window, [&] { return ++turns <= turns_allowed; })) return;
    outcome.seen.add(window);
    window.clear_counts();
  };
  std::uint64_t now_ns = Rig<Atomics>::kStartNs;
  while (running.load() > 0 && outcome.seen.broken.empty()) cut(++now_ns);
  stop = true;
  for (std::thread& thread : threads) thread.join();
  outcome.stopped_early = !outcome.seen.broken.empty();
  cut(now_ns + 1'000'000'000);
  for (const Tally& tally : tallies) outcome.tally.add(tally);
  return outcome;
}

template <class Atomics, class Fence>
void check_exact(std::uint64_t from) {
  const Mix mix(from, Mode::kDaemon);
  for (const std::size_t writers : {1U, 2U, 4U}) {
    for (const int turns_allowed : {0, 100}) {
      for (const bool with_pending : {false, true}) {
        const Outcome outcome = stress<Atomics, Fence>(
            mix, writers, scaled(with_pending ? 500'000 : 2'000'000) / writers, turns_allowed, with_pending);
        CAPTURE(writers, turns_allowed, with_pending);
        CHECK(outcome.seen.broken == "");
        CHECK(mix.counts(outcome.tally.served()).difference(outcome.seen.counts) == "");
      }
    }
  }
}

/// A fence that is too weak on both sides: a writer may read the epoch before its sequence is visible, and a reader may
/// read sequences before its epoch is visible.
struct NoFence {
  static void light() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }
  [[nodiscard]] static bool heavy() noexcept {
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return true;
  }
};

/// A fence that is too weak on the writer's side: the sequence may stay in the writer's store buffer.
struct NoLightFence {
  static void light() noexcept { NoFence::light(); }
  [[nodiscard]] static bool heavy() noexcept { return detail::SymmetricFence::heavy(); }
};

/// A fence that is too weak on the reader's side: the epoch may stay in the reader's store buffer.
struct NoHeavyFence {
  static void light() noexcept { detail::SymmetricFence::light(); }
  [[nodiscard]] static bool heavy() noexcept { return NoFence::heavy(); }
};

}  // namespace

TEMPLATE_TEST_CASE("stress: slots and their reader stay exact with atomics of either kind and an asymmetric fence", "",
                   detail::StdAtomics, detail::PlainAtomics) {
  REQUIRE(detail::membarrier_available());
  const std::uint64_t from = seed();
  CAPTURE(from);
  check_exact<TestType, detail::AsymmetricFence>(from);
}

TEMPLATE_TEST_CASE("stress: slots and their reader stay exact with atomics of either kind and fences on both sides", "",
                   detail::StdAtomics, detail::PlainAtomics) {
  const std::uint64_t from = seed();
  CAPTURE(from);
  check_exact<TestType, detail::SymmetricFence>(from);
}

// Only on x86, because on aarch64 the accesses that are ordered keep their order without a fence. Only in optimised
// builds: where every access is a call, as under a sanitizer or without optimisation, a store is visible long before
// the next load, so weak fences hardly ever fail.
#if defined(__x86_64__) && defined(__OPTIMIZE__) && !SLUICE_THREAD_SANITIZER && !SLUICE_ADDRESS_SANITIZER

namespace {

/// Returns the number of windows until one was not whole; nothing if all were whole.
template <class Fence>
std::optional<std::uint64_t> windows_until_noticed(std::uint64_t limit) {
  const Mix mix(seed(), Mode::kDaemon);
  std::uint64_t windows = 0;
  while (windows < limit) {
    const Outcome outcome = stress<detail::StdAtomics, Fence>(mix, 1, 10'000'000, 0, true);
    windows += outcome.seen.windows;
    if (!outcome.stopped_early) continue;
    std::printf("noticed after %llu windows\n", static_cast<unsigned long long>(windows));
    return windows;
  }
  return std::nullopt;
}

}  // namespace

// One writer and a reader that never rests notice most: within a few hundred thousand windows.
TEMPLATE_TEST_CASE("stress: a fence that is too weak is noticed", "", NoFence, NoLightFence, NoHeavyFence) {
  REQUIRE(std::thread::hardware_concurrency() > 1);
  CHECK(windows_until_noticed<TestType>(100'000'000).has_value());
}

#endif

}  // namespace sluice::test
