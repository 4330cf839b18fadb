// SPDX-License-Identifier: Apache-2.0
// Counts the calls of operator new in the test program, and makes one fail.
#pragma once

#include <cstdint>

namespace sluice::test {

[[nodiscard]] std::uint64_t allocations() noexcept;

/// Makes the next allocation of the calling thread fail but `number`: with 0 the next one. The others succeed.
void fail_allocation(std::uint64_t number) noexcept;
/// Takes that back. Returns true if the allocation has not been asked for.
bool allocation_was_spared() noexcept;

}  // namespace sluice::test
