// SPDX-License-Identifier: Apache-2.0
#include "memory.hpp"

#include <limits>
#include <stdexcept>

namespace sluice::inline v0_1::detail {
namespace {

using Atomics = ProductionAtomics;

constexpr std::size_t kOverflowOffset = whole_line_pairs(sizeof(RecorderHeader));

std::size_t uncollected_offset(const MemoryLayout& layout) noexcept {
  return kOverflowOffset + whole_line_pairs(layout.overflow.bytes(overflow_stripes()));
}

std::size_t tree_offset(const MemoryLayout& layout, std::size_t threads) noexcept {
  return uncollected_offset(layout) + whole_line_pairs(threads * sizeof(UncollectedExtremes<Atomics>));
}

std::size_t slots_offset(const MemoryLayout& layout, std::size_t threads) noexcept {
  using Tree = SlotTree<Atomics>;
  return tree_offset(layout, threads) + whole_line_pairs(Tree::words_for(threads) * sizeof(Tree::Word));
}

std::size_t series_offset(const MemoryLayout& layout, std::size_t threads) noexcept {
  return whole_line_pairs(slots_offset(layout, threads) + threads * layout.slot.slot_bytes);
}

std::size_t overflow_series_offset(const MemoryLayout& layout, std::size_t threads, std::size_t series) noexcept {
  return series_offset(layout, threads) + threads * layout.series.block_bytes(series_with_overflow(series));
}

/// More than any address space has room for, and little enough to be rounded up.
constexpr std::size_t kBeyondAddresses = std::numeric_limits<std::size_t>::max() / 2;

/// Returns a size that is no less than that of the memory, but for what the parts of a recorder have in common.
double estimated_bytes(const MemoryLayout& layout, std::size_t threads, std::size_t series) noexcept {
  constexpr double kRounding = 8.0 * kLine;  // bytes for each block, its marks and lists included
  const auto block_bytes = [series](std::size_t cell_bytes) {
    return series == 0 ? 0.0
                       : (static_cast<double>(series) + 1.0) * (static_cast<double>(cell_bytes) + 1.0) + kRounding;
  };
  const auto thread_bytes = static_cast<double>(layout.slot.slot_bytes + sizeof(UncollectedExtremes<Atomics>) + 1);
  return static_cast<double>(threads) * (thread_bytes + block_bytes(layout.series.cell_bytes)) +
         static_cast<double>(overflow_stripes()) * block_bytes(layout.overflow_series.cell_bytes);
}

/// \throws std::invalid_argument if a registry has reserved the memory for another recorder.
void check_reserved(const ReservedFor& reserved, const RecorderOptions& options) {
  if (reserved.threads == 0) return;
  if (reserved.threads != options.threads || reserved.series != options.series || reserved.mode != options.mode) {
    throw std::invalid_argument(
        "the memory given to a recorder is reserved for another number of threads or series, or for another mode");
  }
}

/// A thread waits about a second for another one that recovers. A recovery takes a few microseconds.
constexpr int kRecoveryYields = 200;
constexpr int kRecoveryTurns = kRecoveryYields + 1000;
constexpr long kRecoveryNapNs = 1'000'000;

}  // namespace

SlotArray<Atomics> slots_in(void* memory, const MemoryLayout& layout, std::size_t threads,
                            std::size_t series) noexcept {
  auto* const base = static_cast<std::byte*>(memory);
  auto& header = *static_cast<RecorderHeader*>(memory);
  return {.epoch = &header.epoch,
          .high_water = &header.high_water,
          .uncollected = reinterpret_cast<UncollectedExtremes<Atomics>*>(base + uncollected_offset(layout)),
          .slots = base + slots_offset(layout, threads),
          .shape = layout.slot,
          .size = threads,
          .taken = {reinterpret_cast<SlotTree<Atomics>::Word*>(base + tree_offset(layout, threads)), threads},
          .series = base + series_offset(layout, threads),
          .series_shape = layout.series,
          .series_size = series_with_overflow(series)};
}

std::byte* overflow_series_block_in(const SlotArray<Atomics>& slots, const MemoryLayout& layout,
                                    std::size_t stripe) noexcept {
  std::byte* const behind_slots = slots.series + slots.size * slots.series_shape.block_bytes(slots.series_size);
  return behind_slots + stripe * layout.overflow_series.block_bytes(slots.series_size);
}

OverflowMemory overflow_in(void* memory, const MemoryLayout& layout) noexcept {
  return {static_cast<std::byte*>(memory) + kOverflowOffset, layout.overflow, overflow_stripes()};
}

std::size_t memory_bytes(const MemoryLayout& layout, std::size_t threads, std::size_t series) noexcept {
  if (estimated_bytes(layout, threads, series) >= static_cast<double>(kBeyondAddresses)) {
    return os::whole_pages(kBeyondAddresses);
  }
  return os::whole_pages(overflow_series_offset(layout, threads, series) +
                         overflow_stripes() * layout.overflow_series.block_bytes(series_with_overflow(series)));
}

RecorderMemory::RecorderMemory(const RecorderOptions& options, const MemoryLayout& memory_layout)
    : layout(memory_layout),
      mapping(memory_bytes(memory_layout, options.threads, options.series), options.memory),
      exemplars(options, *memory_layout.schema),
      slots_(slots_in(mapping.data(), memory_layout, options.threads, options.series)) {
  check_reserved(header().reserved, options);
  header().alive.store(kAlive, std::memory_order_relaxed);  // no other thread knows the memory yet
}

bool RecorderMemory::begin_recovery() const noexcept {
  std::atomic<std::uint32_t>& alive = header().alive;
  std::uint32_t state = alive.load(std::memory_order_acquire);  // [F4]
  for (int turn = 0; turn < kRecoveryTurns; ++turn) {
    if (state == kAlive) return false;
    if (state != kRecovering) {
      if (alive.compare_exchange_weak(state, kRecovering, std::memory_order_acquire)) return true;  // [F4]
      continue;
    }
    if (turn < kRecoveryYields) {
      os::yield();
    } else {
      os::nap(kRecoveryNapNs);
    }
    state = alive.load(std::memory_order_acquire);  // [F4]
  }
  return true;
}

}  // namespace sluice::detail
