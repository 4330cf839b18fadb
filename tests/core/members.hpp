// Private members, for tests that have to know where a worker writes or to count from a number of their own. An
// explicit instantiation may name what is private.
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

/// The slot that a worker has; null if it has none.
inline detail::Slot<detail::ProductionAtomics>* slot_of(const Worker& worker) {
  return (worker.*member(WorkerTarget())).slot;
}

/// The number that the next claim, reader or overflow counters of a recorder gets.
inline std::atomic<std::uint32_t>& next_number(Recorder& recorder) { return recorder.*member(NextNumber()); }

}  // namespace sluice::test
