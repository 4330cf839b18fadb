// SPDX-License-Identifier: Apache-2.0
// Memory that a parent shares with the processes it forks: one of them can write it, all others can only read it. Each
// region is a separate memory file, because a process could extend a writable mapping of a common file with mremap().
// It is mapped twice, because a mapping of a descriptor that was opened for reading cannot be made writable with
// mprotect().
#pragma once

#include <cstddef>
#include <span>

#include "absl/status/statusor.h"

namespace sluice::inline v0_1::os {

/// Two mappings of the same zeroed pages. Pages are committed when they are first touched.
struct SharedRegion {
  std::span<std::byte> writable;        ///< Inherited by forked processes only after pass_to_children().
  std::span<const std::byte> readable;  ///< Always inherited. The kernel never makes it writable.
};

/// Creates a region of whole pages whose size is sealed, and closes the descriptors of its file. Fails with the code of
/// absl::ErrnoToStatus() if the system has no memory files, no /proc to open one for reading, or no memory.
[[nodiscard]] absl::StatusOr<SharedRegion> make_shared_region(std::size_t bytes);

/// Makes processes forked from now on inherit the writable mapping. Returns false if the system refuses.
bool pass_to_children(std::span<std::byte> writable) noexcept;

/// Keeps processes forked from now on from inheriting the writable mapping. Returns false if the system refuses.
bool keep_from_children(std::span<std::byte> writable) noexcept;

/// Replaces whole pages by zeros in every process, and releases their memory. A process that reads such a zero also
/// sees all stores before this call, because the kernel removes the pages from all page tables before the call returns.
void clear_shared(std::span<std::byte> writable) noexcept;

/// Unmaps pages from this process. Does nothing for an empty range. Returns false if the system refuses.
bool unmap(std::span<const std::byte> pages) noexcept;

}  // namespace sluice::os
