// SPDX-License-Identifier: Apache-2.0
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "sluice/detail/overflow_stripes.hpp"
#if __has_include(<sys/rseq.h>) && (defined(__x86_64__) || defined(__aarch64__))
#include <sys/rseq.h>
#endif

#if defined(RSEQ_SIG)
// Weak, so that the library also loads with a glibc before 2.35, which does not define them.
#pragma weak __rseq_offset
#pragma weak __rseq_size
#endif

namespace sluice::inline v0_1::detail {
namespace {

constinit std::atomic<std::size_t> stripes{0};  // 0: not computed yet

#if defined(RSEQ_SIG)

/// Returns the address from which glibc counts the offsets of thread-local memory.
const std::byte* thread_pointer() noexcept {
#if defined(__x86_64__)
  const std::byte* pointer = nullptr;
  __asm__("mov %%fs:0, %0" : "=r"(pointer));  // clang has no builtin for it on this machine
  return pointer;
#else
  return static_cast<const std::byte*>(__builtin_thread_pointer());
#endif
}

/// Returns true if the C library has registered the memory of this thread with the kernel. It does so for all threads
/// or for none.
bool has_cpu_number() noexcept { return &__rseq_size != nullptr && __rseq_size != 0; }

/// Returns the number of the CPU. The kernel writes it whenever the thread changes its CPU.
std::size_t cpu_number() noexcept {
  const auto* const area = reinterpret_cast<const struct rseq*>(thread_pointer() + __rseq_offset);
  return *static_cast<const volatile std::uint32_t*>(&area->cpu_id_start);
}

#else

bool has_cpu_number() noexcept { return false; }
std::size_t cpu_number() noexcept { return 0; }

#endif

}  // namespace

std::size_t overflow_stripes() noexcept {
  std::size_t count = stripes.load(std::memory_order_relaxed);  // every thread computes the same number
  if (count != 0) return count;
  count = overflow_stripes_for(::sysconf(_SC_NPROCESSORS_CONF));
  stripes.store(count, std::memory_order_relaxed);  // orders nothing
  return count;
}

std::size_t overflow_stripe() noexcept {
  const std::size_t all = overflow_stripes();
  if (has_cpu_number()) return cpu_number() & (all - 1);
  return overflow_stripe_by_hash(reinterpret_cast<std::uintptr_t>(::pthread_self()), all);
}

}  // namespace sluice::detail
