// SPDX-License-Identifier: Apache-2.0
// Authentication of requests: a message authentication code (SipHash-2-4) over the head of a request proves that the
// server's own handler sent it. Only the server's processes and the processes of one group have the key.
//
// The server's parent draws a key for each generation of the configuration, and its child processes inherit the key. A
// key is never written to a file, to the environment or to a log.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::daemon {

struct RequestKey {
  std::array<unsigned char, 16> bytes;
};

/// The keys of the last generations of one group. Plain memory: all zeros is a ring without keys, a copy is an
/// independent ring, and overwriting it with zeros removes the keys. Not thread-safe; a ring that requests use does not
/// change.
class KeyRing {
 public:
  /// Requests signed with older keys are refused. A serving process of an earlier configuration sends a request as late
  /// as a slow client completes its head, and scripts may restart a server every second, so there are many.
  static constexpr std::size_t kGenerations = 32;

  /// Draws the key of the next generation from the system's random numbers. Returns false, and leaves the ring
  /// unchanged, when the system gives none.
  [[nodiscard]] bool add_generation() noexcept;

  /// Returns the number of the newest generation; 0 when the ring is empty.
  [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

  /// Returns the key of a generation; null when the ring does not have it.
  [[nodiscard]] const RequestKey* find(std::uint64_t generation) const noexcept;

 private:
  std::uint64_t newest_;
  RequestKey keys_[kGenerations];  ///< The key of generation g is at index g % kGenerations.
};

/// Computes the code of a payload of kRequest and writes it to its place in the payload.
void sign(const RequestKey& key, std::string& payload) noexcept;

/// Returns true when the code in the payload is the one that the key gives. Takes the same time for every wrong code,
/// so that the time tells an attacker nothing.
[[nodiscard]] bool verify(const RequestKey& key, std::string_view payload) noexcept;

}  // namespace sluice::daemon
