// A bank: the counters that one slot fills during one epoch. Sums and buckets only ever grow, over all epochs that use
// the bank; extremes are of one epoch. All-zero bytes are an empty bank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "sluice/completion.hpp"
#include "sluice/grid.hpp"
#include "sluice/phase.hpp"

namespace sluice::detail {

inline constexpr std::size_t kStatusClasses = 5;

/// 0 for 1xx to 4 for 5xx; whatever is no HTTP status counts as 5xx.
constexpr std::size_t status_class(int status) noexcept {
  return status >= 100 && status < 600 ? static_cast<std::size_t>(status / 100 - 1) : kStatusClasses - 1;
}

/// Counter is one of the counters of policy.hpp. A minimum is kept as the largest complement, so that 0 is "none" for
/// both extremes and one operation serves both. Layout is the grid of the histograms.
template <class Counter, class Layout = Grid>
struct Bank {
  Counter status[kStatusClasses];
  Counter cpu_ns;
  Counter max_duration_ns;
  Counter gil_wait_count;
  Counter input_bytes;
  Counter input_reads;
  Counter output_bytes;
  Counter output_writes;
  Counter total_us[kPhases];
  Counter largest_us[kPhases];
  Counter smallest_complement_us[kPhases];
  Counter buckets[kPhases][Layout::kBuckets];

  /// Adds one request. `phases` is 6 or 8. Wait-free for single-writer counters. A leaf of its own: inlined, its
  /// additions and the caller's addresses compete for the registers, and a record takes a fifth longer.
  [[gnu::noinline]] void add(const Completion& done, std::uint64_t duration_ns, std::size_t phases) noexcept {
    const std::uint64_t us[kPhases] = {done.server_us,     done.application_us,  done.request_us,
                                       done.input_read_us, done.output_write_us, done.gil_waits.total_ns / 1000,
                                       done.queue_us,      done.daemon_us};
    observe(us, std::make_index_sequence<kEmbeddedPhases>());
    if (phases == kPhases) observe<kEmbeddedPhases>(us, std::make_index_sequence<kPhases - kEmbeddedPhases>());
    if (done.gil_waits.count != 0) {
      extremes(index(Phase::kGilWait), done.gil_waits.min_ns / 1000, done.gil_waits.max_ns / 1000);
      gil_wait_count.add(done.gil_waits.count);
    }
    status[status_class(done.status)].add(1);
    cpu_ns.add(done.cpu_ns);
    max_duration_ns.raise(duration_ns);
    input_bytes.add(done.input_bytes);
    input_reads.add(done.input_reads);
    output_bytes.add(done.output_bytes);
    output_writes.add(done.output_writes);
  }

  void clear_extremes() noexcept {
    max_duration_ns.set(0);
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
      largest_us[phase].set(0);
      smallest_complement_us[phase].set(0);
    }
  }

 private:
  /// The phases from kFirst on. Unrolled, so that every counter has a fixed place. All buckets are found before the
  /// first is counted: a look into the grid's table would wait for where the store before it goes.
  template <std::size_t kFirst = 0, std::size_t... kOffset>
  [[gnu::always_inline]] void observe(const std::uint64_t (&us)[kPhases], std::index_sequence<kOffset...>) noexcept {
    const std::size_t found[] = {Layout::bucket_of(us[kFirst + kOffset])...};
    (observe_phase(kFirst + kOffset, us[kFirst + kOffset], found[kOffset]), ...);
  }

  void observe_phase(std::size_t phase, std::uint64_t us, std::size_t bucket) noexcept {
    total_us[phase].add(us);
    buckets[phase][bucket].add(1);
    if (phase != index(Phase::kGilWait)) extremes(phase, us, us);
  }

  void extremes(std::size_t phase, std::uint64_t smallest, std::uint64_t largest) noexcept {
    largest_us[phase].raise(largest);
    smallest_complement_us[phase].raise(~smallest);
  }
};

}  // namespace sluice::detail
