#include "memory.hpp"

namespace sluice {
namespace {

using Cells = detail::ProductionCells;

constexpr std::size_t aligned(std::size_t bytes) noexcept {
  constexpr std::size_t kUnit = alignof(detail::Slot<Cells>);
  return (bytes + kUnit - 1) / kUnit * kUnit;
}

constexpr std::size_t kHeldOffset = aligned(sizeof(RecorderHeader));

constexpr std::size_t slots_offset(std::size_t threads) noexcept {
  return kHeldOffset + aligned(threads * sizeof(detail::Held<Cells>));
}

}  // namespace

detail::SlotArray<Cells> slots_in(void* memory, std::size_t threads) noexcept {
  auto* const base = static_cast<std::byte*>(memory);
  auto& header = *static_cast<RecorderHeader*>(memory);
  return {.epoch = &header.epoch,
          .high_water = &header.high_water,
          .held = reinterpret_cast<detail::Held<Cells>*>(base + kHeldOffset),
          .slots = reinterpret_cast<detail::Slot<Cells>*>(base + slots_offset(threads)),
          .size = threads};
}

std::size_t Recorder::memory_bytes(std::size_t threads) noexcept {
  return os::whole_pages(slots_offset(threads) + threads * sizeof(detail::Slot<Cells>));
}

Recorder::Memory::Memory(const Options& options)
    : threads(options.threads), mapping(memory_bytes(options.threads), options.memory) {
  header().alive.store(kAlive, std::memory_order_relaxed);  // nobody else knows it yet
}

}  // namespace sluice
