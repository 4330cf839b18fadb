// SPDX-License-Identifier: Apache-2.0
// Tests a process that overwrites its own recording memory. Its counts are then worthless, but each call returns, none
// accesses memory outside the region, and recording costs as much as before.
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <thread>
#include <vector>

#include "memory.hpp"
#include "os/mapping.hpp"
#include "phases.hpp"
#include "shared_memory.hpp"
#include "sluice/quantile.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

constexpr std::size_t kRegionThreads = 3;
constexpr auto kPatterns =
    std::to_array<std::uint64_t>({0, 1, 2, 3, 5, 255, 300, 70'000, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0x8000000000000000,
                                  0x0000012C0000012C, ~std::uint64_t{0}});

/// A region between two inaccessible ones.
class GuardedRegion {
 public:
  explicit GuardedRegion(std::size_t bytes) : guard_(os::whole_pages(1) * 16), size_(bytes) {
    void* const data = ::mmap(nullptr, size_ + 2 * guard_, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<std::byte*>(data) + guard_;
    if (::mprotect(data_, size_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
  }
  GuardedRegion(const GuardedRegion&) = delete;
  GuardedRegion& operator=(const GuardedRegion&) = delete;
  ~GuardedRegion() { ::munmap(data_ - guard_, size_ + 2 * guard_); }

  [[nodiscard]] std::span<std::byte> span() const { return {data_, size_}; }
  [[nodiscard]] std::size_t words() const { return size_ / sizeof(std::uint64_t); }

  void put(std::size_t word, std::uint64_t value) const {
    std::atomic_ref<std::uint64_t>(reinterpret_cast<std::uint64_t*>(data_)[word])
        .store(value, std::memory_order_relaxed);
  }
  void put_half(std::size_t half, std::uint32_t value) const {
    std::atomic_ref<std::uint32_t>(reinterpret_cast<std::uint32_t*>(data_)[half])
        .store(value, std::memory_order_relaxed);
  }

 private:
  std::size_t guard_;
  std::size_t size_;
  std::byte* data_ = nullptr;
};

using AnyRecorder = sluice::Recorder<Completion>;

/// The parts of a recorder besides slots.
struct Kind {
  std::size_t series = 0;
  bool event_loops = false;
};
constexpr std::size_t kRegionSeries = 70;  // marked in two words
constexpr auto kKinds = std::to_array<Kind>({{}, {.series = kRegionSeries}, {.series = 3, .event_loops = true}});

/// Makes all calls that a process makes on its recorder.
void use(AnyRecorder& recorder, Worker& worker, Worker& shared, Reader& reader) {
  for (int i = 0; i < 3; ++i) worker.begin().finish({.application_us = 1500, .request_us = 1700});
  Request outer = worker.begin();
  worker.begin().finish({});
  outer.cancel();
  shared.begin().finish({.status = 503});
  const std::uint32_t owner = recorder.series({{"name", "value"}}).owner();
  for (const std::uint32_t number : {1U, 2U, 4U, 67U}) {
    worker.begin(Series(number, owner)).finish({});
    shared.begin(Series(number, owner)).finish({});
  }
  static_cast<void>(recorder.series({{"name", "value"}}));
  Request other = shared.begin();
  other.cancel();
  Window window;
  if (reader.drain(window).ok()) {
    static_cast<void>(quantile(phase_of(window, Phase::kRequest), 0.5, views::kQuarterOctaves));
    static_cast<void>(window.capacity_utilization());
    for (const SeriesView& series : window.series) static_cast<void>(series.labels.size());
  }
  static_cast<void>(recorder.totals());
  const Worker fresh = recorder.attach();
  const auto named = recorder.attach(1);
  Reader added = recorder.add_reader();
  static_cast<void>(added.drain());
}

/// Runs `body` in a child that is killed if it hangs.
template <class Body>
int within_time(Body&& body) {
  return in_child([&] {
    body();
    return 0;
  });
}

}  // namespace

TEST_CASE("overwritten memory: each pattern over the whole region ends every call") {
  const bool asymmetric = GENERATE(true, false);
  const Kind kind = GENERATE(from_range(kKinds));
  for (const std::uint64_t pattern : kPatterns) {
    INFO("pattern " << pattern << (asymmetric ? " asymmetric" : " symmetric") << ", " << kind.series << " series");
    CHECK(within_time([&] {
            const GuardedRegion region(AnyRecorder::memory_bytes(kRegionThreads, kind.series));
            AnyRecorder recorder({.threads = kRegionThreads,
                                  .series = kind.series,
                                  .event_loops = kind.event_loops,
                                  .allow_membarrier = asymmetric,
                                  .memory = region.span()});
            Worker worker = recorder.attach();
            Worker shared = recorder.attach_shared();
            Reader reader = recorder.add_reader();
            use(recorder, worker, shared, reader);
            for (int round = 0; round < 3; ++round) {
              for (std::size_t i = 0; i < region.words(); ++i) region.put(i, pattern);
              use(recorder, worker, shared, reader);
              use(recorder, worker, shared, reader);
            }
          }) == 0);
  }
}

TEST_CASE("overwritten memory: one word of the header at a time") {
  constexpr std::size_t kHalves = sizeof(detail::RecorderHeader) / sizeof(std::uint32_t);
  constexpr auto kValues = std::to_array<std::uint32_t>({0, 2, 300, 70'000, 0xFFFFFFFF});
  for (const std::uint32_t value : kValues) {
    INFO("value " << value);
    CHECK(within_time([&] {
            const GuardedRegion region(AnyRecorder::memory_bytes(kRegionThreads));
            AnyRecorder recorder({.threads = kRegionThreads, .memory = region.span()});
            Worker worker = recorder.attach();
            Worker shared = recorder.attach_shared();
            Reader reader = recorder.add_reader();
            // Skips most buckets of the overflow counters, which are all alike.
            for (std::size_t half = 0; half < kHalves; half += half < 256 ? 1 : 61) {
              region.put_half(half, value);
              use(recorder, worker, shared, reader);
            }
          }) == 0);
  }
}

namespace {

/// Returns the words of a recorder's memory that say which series a reader looks at: the lists of all slots, and the
/// marks of all stripes.
std::vector<std::size_t> words_of_lists(const GuardedRegion& region) {
  const detail::MemoryLayout& layout = detail::kMemoryLayout<Completion>;
  const auto slots = detail::slots_in(region.span().data(), layout, kRegionThreads, kRegionSeries);
  std::vector<std::size_t> words;
  const auto add = [&](const void* at, std::size_t count) {
    const auto first = static_cast<const std::byte*>(at) - region.span().data();
    for (std::size_t i = 0; i < count; ++i) words.push_back(static_cast<std::size_t>(first) / 8 + i);
  };
  for (std::size_t i = 0; i < kRegionThreads; ++i) {
    add(&slots.series_of(i).touched(0), 2 * sizeof(detail::TouchedSeries<detail::ProductionAtomics>) / 8);
    for (std::size_t number = 1; number <= slots.series_size; ++number) {
      for (const std::size_t which : {0U, 1U}) add(&slots.series_of(i).bank(number, which).header, 3);
    }
  }
  const std::byte* const stripes = slots.series + kRegionThreads * slots.series_shape.block_bytes(slots.series_size);
  for (std::size_t i = 0; i < detail::overflow_stripes(); ++i) {
    const auto& shape = layout.overflow_series;
    add(stripes + i * shape.block_bytes(slots.series_size), 2 * shape.words(slots.series_size));
  }
  return words;
}

}  // namespace

TEST_CASE("overwritten memory: lists of series that lead anywhere, or nowhere") {
  const std::uint64_t seed = GENERATE(1U, 2U, 3U, 4U);
  INFO("seed " << seed);
  CHECK(within_time([&] {
          const GuardedRegion region(AnyRecorder::memory_bytes(kRegionThreads, kRegionSeries));
          const std::vector<std::size_t> words = words_of_lists(region);
          AnyRecorder recorder({.threads = kRegionThreads, .series = kRegionSeries, .memory = region.span()});
          Worker worker = recorder.attach();
          Worker shared = recorder.attach_shared();
          Reader reader = recorder.add_reader();
          std::mt19937_64 random(seed);
          for (int round = 0; round < 500; ++round) {
            use(recorder, worker, shared, reader);
            for (int i = 0; i < 20; ++i) region.put(words[random() % words.size()], random() % (kRegionSeries + 3));
            for (int i = 0; i < 4; ++i) region.put(words[random() % 4], random() % 8);
            // A writer without labels leaves the lists as they are.
            for (int i = 0; i < 2; ++i) {
              worker.begin().finish({});
              shared.begin().finish({});
              static_cast<void>(reader.drain());
            }
          }
        }) == 0);
}

#if !SLUICE_THREAD_SANITIZER  // the reader's own words are plain, and race only when they are overwritten
TEST_CASE("overwritten memory: writers and readers end while it happens") {
  const std::uint64_t seed = GENERATE(1U, 2U, 3U);
  const Kind kind = GENERATE(from_range(kKinds));
  INFO("seed " << seed << ", " << kind.series << " series");
  CHECK(within_time([&] {
          const GuardedRegion region(AnyRecorder::memory_bytes(kRegionThreads, kind.series));
          const std::vector<std::size_t> lists =
              kind.series == kRegionSeries ? words_of_lists(region) : std::vector<std::size_t>{0};
          AnyRecorder recorder({.threads = kRegionThreads,
                                .series = kind.series,
                                .event_loops = kind.event_loops,
                                .memory = region.span()});
          std::atomic<bool> ending{false};
          std::vector<std::thread> threads;
          threads.reserve(3);
          for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&] {
              Worker worker = recorder.attach();
              Worker shared = recorder.attach_shared();
              Reader reader = recorder.add_reader();
              while (!ending.load()) use(recorder, worker, shared, reader);
            });
          }
          std::mt19937_64 random(seed);
          for (int round = 0; round < 100; ++round) {
            const std::uint64_t pattern = kPatterns[random() % kPatterns.size()];
            for (int i = 0; i < 2000; ++i) {
              const bool in_header = random() % 2 != 0;
              const std::size_t word = random() % (in_header ? std::size_t{64} : region.words());
              region.put(word, random() % 4 == 0 ? random() : pattern);
              region.put(lists[random() % lists.size()], random() % (kRegionSeries + 3));
            }
          }
          ending.store(true);
          for (std::thread& thread : threads) thread.join();
        }) == 0);
}
#endif

}  // namespace sluice::test
