// Two numbers at once, in a register that every x86-64 has: the vectors that GCC and clang share.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::detail {

using Two = std::uint64_t __attribute__((vector_size(16)));

/// Read one by one on x86-64: hosts have stored them one by one just before, and one load of both would wait until both
/// stores are through to the cache.
[[gnu::always_inline]] inline Two two(const std::uint64_t& first, const std::uint64_t& second) noexcept {
#if defined(__x86_64__)
  using Half [[gnu::may_alias]] = double;  // what an instruction loads into a half
  using Halves = double __attribute__((vector_size(16)));
  double low = reinterpret_cast<const Half&>(first);
  __asm__("" : "+x"(low));  // or a compiler makes one load of the two
  return std::bit_cast<Two>(Halves{low, reinterpret_cast<const Half&>(second)});
#else
  return Two{first, second};
#endif
}

/// The 16 bits from `kBit` on of one of the two.
template <std::size_t kWhich, std::size_t kBit = 0>
[[gnu::always_inline]] inline std::size_t bits16(Two numbers) noexcept {
  static_assert(kWhich < 2 && kBit % 16 == 0 && kBit < 64);
  using Sixteens = std::uint16_t __attribute__((vector_size(16)));
  constexpr std::size_t kFromLow = kBit / 16;
  constexpr std::size_t kPlace = std::endian::native == std::endian::little ? kFromLow : 3 - kFromLow;
  return std::bit_cast<Sixteens>(numbers)[4 * kWhich + kPlace];
}

}  // namespace sluice::detail
