// SPDX-License-Identifier: Apache-2.0
// Counts the calls of operator new in the test program.
#pragma once

#include <cstdint>

namespace sluice::test {

[[nodiscard]] std::uint64_t allocations() noexcept;

}  // namespace sluice::test
