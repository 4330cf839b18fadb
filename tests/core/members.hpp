// SPDX-License-Identifier: Apache-2.0
// Access to private members, for tests that need the slot of a worker or a certain next number. An explicit
// instantiation may name private members.
#pragma once

#include <atomic>
#include <cstdint>

#include "phases.hpp"
#include "sluice/detail/slot.hpp"

namespace sluice::test {

template <class Tag, typename Tag::Member kMember>
struct Member {
  friend typename Tag::Member member(Tag) { return kMember; }
};

struct WorkerSlot {
  using Member = detail::SlotHeader<detail::ProductionAtomics>* detail::WorkerBase::*;
  friend Member member(WorkerSlot);
};
template struct Member<WorkerSlot, &detail::WorkerBase::slot_>;

struct NextNumber {
  using Member = std::atomic<std::uint32_t> RecorderBase::*;
  friend Member member(NextNumber);
};
template struct Member<NextNumber, &RecorderBase::next_number_>;

/// Returns the slot of a worker; null if it has none.
inline detail::SlotHeader<detail::ProductionAtomics>* slot_of(const Worker& worker) {
  return worker.*member(WorkerSlot());
}

/// Returns the number that the next claim, reader or overflow counters of a recorder gets.
inline std::atomic<std::uint32_t>& next_number(Recorder& recorder) { return recorder.*member(NextNumber()); }

}  // namespace sluice::test
