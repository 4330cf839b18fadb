#include "memory.hpp"

namespace sluice {
namespace {

using Cells = detail::ProductionCells;

constexpr std::size_t aligned(std::size_t bytes) noexcept {
  constexpr std::size_t kUnit = alignof(detail::Slot<Cells>);
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

}  // namespace

Recorder::Memory::Memory(std::size_t count)
    : threads(count),
      mapping(aligned(sizeof(Header)) + aligned(count * sizeof(detail::Held<Cells>)) +
              count * sizeof(detail::Slot<Cells>)) {
  header().alive.store(kAlive, std::memory_order_relaxed);  // nobody else knows it yet
}

detail::SlotArray<Cells> Recorder::Memory::array() const noexcept {
  auto* const held = static_cast<std::byte*>(mapping.data()) + aligned(sizeof(Header));
  auto* const slots = held + aligned(threads * sizeof(detail::Held<Cells>));
  return {.epoch = &header().epoch,
          .high_water = &header().high_water,
          .held = reinterpret_cast<detail::Held<Cells>*>(held),
          .slots = reinterpret_cast<detail::Slot<Cells>*>(slots),
          .size = threads};
}

}  // namespace sluice
