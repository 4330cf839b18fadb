// Isolation of a daemon process, right after its fork and before it runs code of an application: it gives up everything
// that it inherited from the server and does not need, because the application could use whatever it kept.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::daemon {

/// Closes all descriptors of this process but those listed, in any order. Numbers below 0 are ignored.
void close_descriptors_but(std::vector<int> kept);

/// A mapping of this process, as /proc/self/maps lists it.
struct Mapping {
  std::byte* begin = nullptr;
  std::byte* end = nullptr;
  std::size_t file_offset = 0;
};

/// The mapping that holds an address; NotFound if there is none, Unavailable without /proc.
[[nodiscard]] absl::StatusOr<Mapping> find_mapping(const void* address);

/// Unmaps all memory that this process shares with others and can write, now or after mprotect(), but the mappings that
/// begin at one of the addresses listed: the server's scoreboard, caches of TLS sessions, and whatever else its modules
/// share. On an error some of it is still there, and the process must not go on.
[[nodiscard]] absl::Status unmap_shared_but(std::span<const void* const> kept);

/// Has the kernel map the pages around an address anew, so that this process can read them and never write them: by a
/// descriptor that is opened for reading, which takes the rights of root. A process without those rights protects the
/// pages with mprotect(), which its application could undo: but where the server has no root, all its processes belong
/// to one user, and are not kept apart. An error has left the mapping as it was.
[[nodiscard]] absl::Status make_read_only(const void* address);

}  // namespace sluice::daemon
