// The proof that a request was passed on by the server's own handler: a message authentication code (SipHash-2-4) over
// the head, made with a key that only the server's processes and the processes of one group have.
//
// The parent draws a key for each generation of its configuration and hands it down by inheritance. A key is never
// written to a file, to the environment or to a log.
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

/// The keys of the last generations of one group. Plain memory: all zeros is a ring without keys, a copy is a ring of
/// its own, and overwriting it with zeros removes the keys. Not thread-safe; nobody changes a ring that requests use.
class KeyRing {
 public:
  /// Requests of older generations are refused. A process that is so many graceful restarts old serves its last
  /// requests.
  static constexpr std::size_t kGenerations = 8;

  /// Draws the key of the next generation from the system's random numbers. False, and unchanged, when there are none.
  [[nodiscard]] bool add_generation() noexcept;

  /// The number of the newest generation; 0 when there is none.
  [[nodiscard]] std::uint64_t newest() const noexcept { return newest_; }

  /// The key of a generation; null when the ring does not have it.
  [[nodiscard]] const RequestKey* find(std::uint64_t generation) const noexcept;

 private:
  std::uint64_t newest_;
  RequestKey keys_[kGenerations];  ///< Generation g is at g modulo their number.
};

/// Writes the code to its place in a payload of kRequest.
void sign(const RequestKey& key, std::string& payload) noexcept;

/// Whether the payload has the code that the key makes. Takes as long for a code that is nearly right as for any other.
[[nodiscard]] bool verify(const RequestKey& key, std::string_view payload) noexcept;

}  // namespace sluice::daemon
