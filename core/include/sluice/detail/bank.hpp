// SPDX-License-Identifier: Apache-2.0
// A bank: the counters that one slot fills during one epoch. Sums and buckets grow over all epochs that use the bank;
// extremes are reset for each epoch. All-zero bytes are an empty bank.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "sluice/bucket_layout.hpp"
#include "sluice/completion.hpp"
#include "sluice/detail/policy.hpp"
#include "sluice/detail/simd.hpp"
#include "sluice/phase.hpp"
#include "sluice/units.hpp"

namespace sluice::detail {

inline constexpr std::size_t kStatusClasses = 5;

/// Returns 0 for 1xx to 4 for 5xx. A number that is not an HTTP status counts as 5xx.
constexpr std::size_t status_class(int status) noexcept {
  const unsigned from_100 = static_cast<unsigned>(status) - 100;
  return from_100 < 100 * kStatusClasses ? from_100 / 100 : kStatusClasses - 1;
}

/// The counters of one slot and epoch parity. Counter is one of the counters of policy.hpp, Layout the bucket layout of
/// the histograms. A minimum is kept as the largest complement, so that 0 means "none" for both extremes and one
/// operation updates both.
template <class Counter, class Layout = BucketLayout>
struct Bank {
  Counter status[kStatusClasses];
  Counter cpu_ns;
  Counter max_duration_ns;
  Counter gil_wait_count;
  Counter input_bytes;
  Counter input_reads;
  Counter output_bytes;
  Counter output_writes;
  alignas(sizeof(U64x2)) Counter total_us[kPhases];
  Counter largest_us[kPhases];
  Counter smallest_complement_us[kPhases];
  Counter buckets[kPhases][Layout::kBuckets];

  /// Adds one request. `phases` is 6 or 8. Wait-free for single-writer counters. Not inlined, because its additions and
  /// the addresses of the caller would compete for registers.
  ///
  /// Looks buckets up first and counts them last, because a store to an address that is not known yet delays later
  /// loads.
  [[gnu::noinline]] void add(const Completion& done, std::uint64_t duration_ns, std::size_t phases) noexcept {
    const U64x2 us[kPairs] = {
        load_pair(done.server_us, done.application_us), load_pair(done.request_us, done.input_read_us),
        load_pair(done.output_write_us, done.gil_waits.total_ns / kNsPerUs), load_pair(done.queue_us, done.daemon_us)};
    U64x2 bucket[kPairs];
    find(us, bucket, std::make_index_sequence<kPairs>());
    add_totals(us, kEmbeddedPairs);
    extremes(Phase::kServer, done.server_us);
    extremes(Phase::kApplication, done.application_us);
    extremes(Phase::kRequest, done.request_us);
    extremes(Phase::kInputRead, done.input_read_us);
    extremes(Phase::kOutputWrite, done.output_write_us);
    if (done.gil_waits.count != 0) {
      extremes(Phase::kGilWait, done.gil_waits.min_ns / kNsPerUs, done.gil_waits.max_ns / kNsPerUs);
      gil_wait_count.add(done.gil_waits.count);
    }
    status[status_class(done.status)].add(1);
    cpu_ns.add(done.cpu_ns);
    max_duration_ns.update_max(duration_ns);
    input_bytes.add(done.input_bytes);
    input_reads.add(done.input_reads);
    output_bytes.add(done.output_bytes);
    output_writes.add(done.output_writes);
    count(bucket, kEmbeddedPairs);
    if (phases == kPhases) {
      add_totals(us, kDaemonPairs);
      extremes(Phase::kQueue, done.queue_us);
      extremes(Phase::kDaemon, done.daemon_us);
      count(bucket, kDaemonPairs);
    }
  }

  /// Resets the extremes, for the writer of the bank or a reader that has the bank to itself.
  void clear_extremes() noexcept {
    max_duration_ns.set(0);
    for (std::size_t phase = 0; phase < kPhases; ++phase) {
      largest_us[phase].set(0);
      smallest_complement_us[phase].set(0);
    }
  }

 private:
  /// Phases are processed in pairs, in the order of Phase.
  static constexpr std::size_t kPairs = kPhases / 2;
  static_assert(kPhases == 8 && kEmbeddedPhases == 6 && index(Phase::kGilWait) == 5);
  static constexpr std::index_sequence<0, 1, 2> kEmbeddedPairs{};
  static constexpr std::index_sequence<3> kDaemonPairs{};

  /// Sets the bucket of each phase, in the upper half of its element.
  template <std::size_t... kPair>
  [[gnu::always_inline]] static void find(const U64x2 (&us)[kPairs], U64x2 (&bucket)[kPairs],
                                          std::index_sequence<kPair...>) noexcept {
    const U64x2 any = (us[kPair] | ...);
    if ((any[0] | any[1]) < kFindableUs) [[likely]] {
      ((bucket[kPair] = Layout::buckets_of(us[kPair])), ...);
    } else {
      ((bucket[kPair] = U64x2{Layout::bucket_of(us[kPair][0]), Layout::bucket_of(us[kPair][1])} << 32), ...);
    }
  }

  template <std::size_t... kPair>
  [[gnu::always_inline]] void add_totals(const U64x2 (&us)[kPairs], std::index_sequence<kPair...>) noexcept {
    (add_pair(&total_us[2 * kPair], us[kPair]), ...);
  }

  template <std::size_t... kPair>
  [[gnu::always_inline]] void count(const U64x2 (&bucket)[kPairs], std::index_sequence<kPair...>) noexcept {
    ((buckets[2 * kPair][extract16<0, 32>(bucket[kPair])].add(1),
      buckets[2 * kPair + 1][extract16<1, 32>(bucket[kPair])].add(1)),
     ...);
  }

  void extremes(Phase phase, std::uint64_t us) noexcept { extremes(phase, us, us); }

  void extremes(Phase phase, std::uint64_t smallest, std::uint64_t largest) noexcept {
    largest_us[index(phase)].update_max(largest);
    smallest_complement_us[index(phase)].update_max(~smallest);
  }
};

}  // namespace sluice::detail
