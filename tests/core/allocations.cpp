// SPDX-License-Identifier: Apache-2.0
#include "allocations.hpp"

#include <atomic>
#include <cstdlib>
#include <new>
#include <utility>

namespace {

std::atomic<std::uint64_t> count{0};
thread_local std::uint64_t until_failure = 0;  // 1 + the number of allocations before the one that fails

}  // namespace

namespace sluice::test {

std::uint64_t allocations() noexcept { return count.load(std::memory_order_relaxed); }

void fail_allocation(std::uint64_t number) noexcept { until_failure = number + 1; }

bool allocation_was_spared() noexcept { return std::exchange(until_failure, 0) != 0; }

}  // namespace sluice::test

// These replace the operators of the whole test program. The array forms call them.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
  count.fetch_add(1, std::memory_order_relaxed);
  if (until_failure != 0 && --until_failure == 0) return nullptr;
  return std::malloc(bytes == 0 ? 1 : bytes);
}

void* operator new(std::size_t bytes) {
  if (void* const memory = operator new(bytes, std::nothrow); memory != nullptr) return memory;
  throw std::bad_alloc();
}

void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t&) noexcept { std::free(memory); }
