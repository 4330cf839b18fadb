// Address space that a process shares with those that it forks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sluice::os {

/// Zeros, whose pages are committed when they are first written. Empty if the system has none to give.
[[nodiscard]] std::span<std::byte> map_shared(std::size_t bytes) noexcept;

/// Has whole pages read as zeros, in every process, and gives their memory back. What was stored before this is seen by
/// every process that sees a zero of it: the kernel takes the pages out of all their tables.
void clear_shared(std::span<std::byte> pages) noexcept;

/// Of all of `region` this process keeps `kept` alone, at its address.
[[nodiscard]] bool unmap_all_but(std::span<std::byte> region, std::span<std::byte> kept) noexcept;

/// Of all of `region` this process may write `kept` alone.
[[nodiscard]] bool protect_all_but(std::span<std::byte> region, std::span<std::byte> kept) noexcept;

}  // namespace sluice::os
