// Conversion of whole-number times to the seconds that reports use.
#pragma once

#include <cstdint>

namespace sluice {

[[nodiscard]] constexpr double seconds_of_us(std::uint64_t us) noexcept { return static_cast<double>(us) / 1e6; }
[[nodiscard]] constexpr double seconds_of_ns(std::uint64_t ns) noexcept { return static_cast<double>(ns) / 1e9; }

}  // namespace sluice
