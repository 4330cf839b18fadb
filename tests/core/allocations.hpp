// How often the program has called operator new.
#pragma once

#include <cstdint>

namespace sluice::test {

[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace sluice::test
