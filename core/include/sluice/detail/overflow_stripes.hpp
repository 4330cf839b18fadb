// SPDX-License-Identifier: Apache-2.0
// How many stripes overflow counters have, and which one a thread uses: that of its CPU. The kernel keeps the number of
// the CPU in the thread's memory (restartable sequences), where glibc has registered it, from 2.35 on; reading it costs
// half a nanosecond. Elsewhere a hash of the thread selects the stripe.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::inline v0_1::detail {

/// Greatest number of stripes. With more CPUs than that, several share a stripe.
inline constexpr std::size_t kOverflowStripesMost = 32;

/// Returns the number of stripes for `cpus` CPUs: a power of two, so that a mask selects one.
constexpr std::size_t overflow_stripes_for(long cpus) noexcept {
  std::size_t stripes = 1;
  while (stripes < kOverflowStripesMost && static_cast<long>(stripes) < cpus) stripes *= 2;
  return stripes;
}

/// Returns the stripe of a thread, by the address of its control block, among `stripes` stripes. The upper bits of the
/// product depend on all bits of the address.
constexpr std::size_t overflow_stripe_by_hash(std::uint64_t thread, std::size_t stripes) noexcept {
  return static_cast<std::size_t>((thread * 0x9E3779B97F4A7C15U) >> 32U) & (stripes - 1);
}

/// Returns the number of stripes of every recorder: that for the CPUs which the machine may have. The same in all
/// processes of the machine, as recorders in shared memory need it.
[[nodiscard]] std::size_t overflow_stripes() noexcept;

/// Returns the stripe that the calling thread should use now, below overflow_stripes(). Wait-free, without a system
/// call. The thread may be on another CPU by the time it is used.
[[nodiscard]] std::size_t overflow_stripe() noexcept;

}  // namespace sluice::detail
