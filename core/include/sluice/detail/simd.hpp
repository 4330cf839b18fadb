// SPDX-License-Identifier: Apache-2.0
// Two 64-bit integers in one 128-bit register, with the vector extension that GCC and clang share. Every x86-64
// processor has such registers; on other machines the compiler makes two scalar operations of each.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::inline v0_1::detail {

/// Two unsigned 64-bit integers. Arithmetic operators work on both at once.
using U64x2 = std::uint64_t __attribute__((vector_size(16)));

/// Loads two integers into one vector. On x86-64 by two loads, because hosts have stored the two separately just
/// before: a single 16-byte load would have to wait until both stores have left the store buffer.
[[gnu::always_inline]] inline U64x2 load_pair(const std::uint64_t& first, const std::uint64_t& second) noexcept {
#if defined(__x86_64__)
  using Half [[gnu::may_alias]] = double;  // the type that a load of one half of the register takes
  using Halves = double __attribute__((vector_size(16)));
  double low = reinterpret_cast<const Half&>(first);
  __asm__("" : "+x"(low));  // keeps the compiler from merging the two loads
  return std::bit_cast<U64x2>(Halves{low, reinterpret_cast<const Half&>(second)});
#else
  return U64x2{first, second};
#endif
}

/// Returns two neighbouring integers, which need not be aligned as a vector is.
[[gnu::always_inline]] inline U64x2 load_two(const std::uint64_t* numbers) noexcept {
  using Words [[gnu::may_alias, gnu::aligned(sizeof(std::uint64_t))]] = U64x2;
  return *reinterpret_cast<const Words*>(numbers);
}

/// Stores two neighbouring integers, which need not be aligned as a vector is.
[[gnu::always_inline]] inline void store_two(std::uint64_t* numbers, U64x2 values) noexcept {
  using Words [[gnu::may_alias, gnu::aligned(sizeof(std::uint64_t))]] = U64x2;
  *reinterpret_cast<Words*>(numbers) = values;
}

/// Returns 16 bits, from bit `kBit` on, of element `kElement`.
template <std::size_t kElement, std::size_t kBit = 0>
[[gnu::always_inline]] inline std::size_t extract16(U64x2 numbers) noexcept {
  static_assert(kElement < 2 && kBit % 16 == 0 && kBit < 64);
  using U16x8 = std::uint16_t __attribute__((vector_size(16)));
  constexpr std::size_t kFromLow = kBit / 16;
  constexpr std::size_t kIndex = std::endian::native == std::endian::little ? kFromLow : 3 - kFromLow;
  return std::bit_cast<U16x8>(numbers)[4 * kElement + kIndex];
}

}  // namespace sluice::detail
