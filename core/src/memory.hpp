// What workers write, in one mapping: the epoch, the spill, and the slots. After a fork the child finds it zeroed,
// which is its empty state, but for the word `alive` that then has to be set again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/mapping.hpp"
#include "sluice/detail/ledger.hpp"
#include "sluice/detail/spill.hpp"
#include "sluice/recorder.hpp"

namespace sluice {

struct Recorder::Memory {
  using Cells = detail::ProductionCells;

  enum : std::uint32_t { kWiped = 0, kAlive = 1, kRecovering = 2 };

  struct Header {
    std::atomic<std::uint32_t> alive;
    Cells::Atomic<std::uint32_t> high_water;
    detail::Epoch<Cells> epoch;
    alignas(2 * detail::kLine) detail::Spill spill;
  };

  explicit Memory(std::size_t threads);

  [[nodiscard]] bool needs_recovery() const noexcept {
    return header().alive.load(std::memory_order_acquire) != kAlive || mapping.inherited();  // [F4]
  }
  [[nodiscard]] Header& header() const noexcept { return *static_cast<Header*>(mapping.data()); }
  [[nodiscard]] detail::SlotArray<Cells> array() const noexcept;

  std::size_t threads;
  os::Mapping mapping;
};

}  // namespace sluice
