// SPDX-License-Identifier: Apache-2.0
// Access to private members, for tests that need the slot of a worker or a certain next number. An explicit
// instantiation may name private members.
#pragma once

#include <atomic>
#include <cstdint>

#include "sluice/detail/slot.hpp"
#include "sluice/recorder.hpp"

namespace sluice::test {

template <class Tag, typename Tag::Member kMember>
struct Member {
  friend typename Tag::Member member(Tag) { return kMember; }
};

struct WorkerTarget {
  using Member = detail::RecordTarget<detail::ProductionAtomics> Worker::*;
  friend Member member(WorkerTarget);
};
template struct Member<WorkerTarget, &Worker::target_>;

struct NextNumber {
  using Member = std::atomic<std::uint32_t> Recorder::*;
  friend Member member(NextNumber);
};
template struct Member<NextNumber, &Recorder::next_number_>;

/// Returns the slot of a worker; null if it has none.
inline detail::Slot<detail::ProductionAtomics>* slot_of(const Worker& worker) {
  return (worker.*member(WorkerTarget())).slot;
}

/// Returns the number that the next claim, reader or overflow counters of a recorder gets.
inline std::atomic<std::uint32_t>& next_number(Recorder& recorder) { return recorder.*member(NextNumber()); }

}  // namespace sluice::test
