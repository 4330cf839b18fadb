// SPDX-License-Identifier: Apache-2.0
// The board of a process: what it tells the metrics endpoint of its server beside its counts, which is its state and
// the requests that it has in flight. The process writes into its own region, and any process that maps it reads it.
//
// The process can write anything there. So a reader looks at a fixed number of bytes, uses no number of them as a size
// or an address without a bound, and takes each text as bytes of unknown content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sluice::wsgi {

/// How far a process is. Zero is the state of a new region.
enum class ProcessState : std::uint64_t {
  kStarting,  ///< It loads Python and the scripts of the configuration.
  kServing,   ///< It takes requests, or runs the scripts of a service process.
  kRefusing,  ///< It could not be set up, and answers 503.
};

/// Returns the name of a state; empty for a number that is none.
[[nodiscard]] std::string_view name_of(ProcessState state) noexcept;

/// A request in flight, as its process describes it.
struct RequestInFlight {
  std::size_t thread_id = 0;   ///< Number of its worker slot, from 1.
  std::uint64_t start_ns = 0;  ///< Monotonic time at which it was accepted. Any number but 0.
  std::string method;          ///< HTTP method.
  std::string path;            ///< Path without the query string.
};

/// The writer's side. Copies write the same memory. Without memory each member does nothing.
///
/// begin() and end() are for the thread that has the worker slot. All members are wait-free and allocate nothing.
class ProcessBoard {
 public:
  static constexpr std::size_t kMethodBytes = 16;  ///< Longest method.
  static constexpr std::size_t kPathBytes = 384;   ///< Longest path.

  /// Returns the size of the memory for `threads` worker slots.
  [[nodiscard]] static std::size_t bytes(std::size_t threads) noexcept;

  ProcessBoard() = default;
  /// Uses what a process has behind its recorder's memory. Memory that is too small is not used.
  ProcessBoard(std::span<std::byte> memory, std::size_t threads) noexcept
      : memory_(memory.size() >= bytes(threads) ? memory : std::span<std::byte>()) {}

  /// Publishes how far the process is.
  void set_state(ProcessState state) const noexcept;
  /// Publishes the request that a slot begins. The path is that of both parts, without a query string; texts are cut
  /// to their greatest length.
  void begin(std::size_t slot, std::uint64_t start_ns, std::string_view method, std::string_view script_name,
             std::string_view path_info) const noexcept;
  /// Withdraws the request of a slot.
  void end(std::size_t slot) const noexcept;

 private:
  std::span<std::byte> memory_{};
};

/// Returns the state that a process has published. `memory` is what the process has behind its recorder's memory.
[[nodiscard]] ProcessState state_in(std::span<const std::byte> memory) noexcept;

/// Returns the requests in flight that a process with `threads` worker slots has published. Skips one that begins or
/// ends meanwhile. \throws std::bad_alloc
[[nodiscard]] std::vector<RequestInFlight> requests_in(std::span<const std::byte> memory, std::size_t threads);

}  // namespace sluice::wsgi
