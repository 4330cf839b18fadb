// SPDX-License-Identifier: Apache-2.0
// A server's scoreboard: the present state of each process and worker of the server. Other processes write it at the
// same time, so the values of one worker may be from different instants. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::bindings {

struct ServerState {
  int server_limit = 0;
  int thread_limit = 0;
  int running_generation = 0;
  std::int64_t restart_us = 0;  ///< Microseconds since the epoch, like all times here.
  std::int64_t current_us = 0;
};

struct ServerProcessState {
  long pid = 0;  ///< 0 for an unused entry.
  int generation = 0;
  bool quiescing = false;
};

/// Bytes that a client has chosen, copied while another process may have written them. The text ends at the first zero
/// byte or at the end of the array.
template <std::size_t kBytes>
struct BoundedText {
  char bytes[kBytes];

  [[nodiscard]] std::string_view view() const noexcept {
    const std::string_view whole(bytes, kBytes);
    return whole.substr(0, whole.find('\0'));
  }
};

struct ServerWorkerState {
  int generation = 0;
  char status = '.';  ///< The letter that mod_status shows; '?' for an unknown state.
  std::uint64_t access_count = 0;
  std::uint64_t bytes_served = 0;
  std::int64_t start_us = 0;
  std::int64_t stop_us = 0;
  std::int64_t last_used_us = 0;
  BoundedText<64> client;
  BoundedText<64> request;
  BoundedText<32> vhost;
};

/// Any thread may call any member. Members do not block.
class Scoreboard {
 public:
  Scoreboard() = default;
  Scoreboard(const Scoreboard&) = delete;
  Scoreboard& operator=(const Scoreboard&) = delete;
  [[nodiscard]] virtual ServerState server() const noexcept = 0;
  /// `process` is below server_limit.
  [[nodiscard]] virtual ServerProcessState process(int process) const noexcept = 0;
  /// `process` is below server_limit, `thread` below thread_limit.
  virtual void read_worker(int process, int thread, ServerWorkerState& worker) const noexcept = 0;

 protected:
  ~Scoreboard() = default;  // the process has one object, which is never destroyed
};

}  // namespace sluice::bindings
