// Memory that a parent shares with the processes it forks, so that one of them can write it and all others can only
// read it. Each region is a memory file of its own, mapped twice: a process that holds a writable mapping could grow it
// over the rest of a common file with mremap(), and a read-only mapping of a descriptor that was opened for reading
// cannot be made writable with mprotect().
#pragma once

#include <cstddef>
#include <span>

#include "absl/status/statusor.h"

namespace sluice::os {

/// Two mappings of the same zeroed pages. Pages are committed when they are first touched.
struct SharedRegion {
  std::span<std::byte> writable;        ///< Not inherited by forked processes, unless pass_to_children() says so.
  std::span<const std::byte> readable;  ///< Inherited. The kernel never lets it become writable.
};

/// Creates a region of whole pages whose size is sealed, and closes the descriptors of its file. Fails with the code of
/// absl::ErrnoToStatus() if the system has no memory files, no /proc to open one for reading, or no memory.
[[nodiscard]] absl::StatusOr<SharedRegion> make_shared_region(std::size_t bytes);

/// Processes forked from now on inherit the writable mapping. False if the system refuses.
bool pass_to_children(std::span<std::byte> writable) noexcept;

/// Processes forked from now on do not inherit the writable mapping. False if the system refuses.
bool keep_from_children(std::span<std::byte> writable) noexcept;

/// Replaces whole pages by zeros in every process, and gives their memory back. Stores before this call are seen by
/// every process that sees a zero of it: the kernel takes the pages out of all page tables before the call returns.
void clear_shared(std::span<std::byte> writable) noexcept;

/// Takes pages out of this process's address space. Does nothing for an empty range; false if the system refuses.
bool unmap(std::span<const std::byte> pages) noexcept;

}  // namespace sluice::os
