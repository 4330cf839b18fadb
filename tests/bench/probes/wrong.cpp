// SPDX-License-Identifier: Apache-2.0
// Paths that the check must not accept as wait-free. Each function has one fault, which its name says.
#include <atomic>
#include <cstdint>

std::atomic<std::uint64_t> cell;
std::uint64_t plain[64];

void called_elsewhere(std::uint64_t) noexcept;
[[gnu::cold, gnu::noinline]] void cold_elsewhere(std::uint64_t) noexcept;

extern "C" {

[[gnu::visibility("default")]] void wrong_locked_add() { cell.fetch_add(1, std::memory_order_relaxed); }

[[gnu::visibility("default")]] void wrong_compare_and_swap(std::uint64_t seen) {
  cell.compare_exchange_strong(seen, seen + 1, std::memory_order_relaxed);
}

[[gnu::visibility("default")]] void wrong_ordered_store() { cell.store(1, std::memory_order_seq_cst); }

[[gnu::visibility("default")]] void wrong_fence() {
  cell.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  plain[0] = 1;
}

#if defined(__x86_64__)
[[gnu::visibility("default")]] void wrong_real_fence() { asm volatile("mfence" ::: "memory"); }

[[gnu::visibility("default")]] void wrong_system_call() {
  asm volatile("syscall" : : "a"(39) : "rcx", "r11", "memory");
}
#elif defined(__aarch64__)
[[gnu::visibility("default")]] void wrong_real_fence() { asm volatile("dmb ishst" ::: "memory"); }

[[gnu::visibility("default")]] void wrong_system_call() { asm volatile("svc 0" ::: "memory"); }
#endif

[[gnu::visibility("default")]] void wrong_wait() {
  while (cell.load(std::memory_order_acquire) == 0) {
  }
}

[[gnu::visibility("default")]] void wrong_call(std::uint64_t value) {
  called_elsewhere(value);
  plain[1] = value;
}

[[gnu::visibility("default")]] void wrong_pointer(void (*function)()) {
  function();
  plain[2] = 1;
}

[[gnu::visibility("default")]] void wrong_behind_branches(std::uint64_t value) {
  if (value == 7) [[unlikely]] {
    if (plain[3] != 0) cell.fetch_add(value, std::memory_order_relaxed);
  }
  plain[3] = value;
}

[[gnu::visibility("default")]] void counts_only() {
#pragma GCC unroll 1
  for (auto& word : plain) reinterpret_cast<std::atomic<std::uint64_t>&>(word).store(0, std::memory_order_relaxed);
}

[[gnu::visibility("default")]] void right(std::uint64_t value) {
  if (value == 7) [[unlikely]] {
    cold_elsewhere(value);
    return;
  }
  cell.store(cell.load(std::memory_order_relaxed) + value, std::memory_order_release);
}
}
