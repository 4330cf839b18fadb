// A server's scoreboard as its host reads it: what every process and worker of the server does now. Other processes
// write it meanwhile, so that the parts of a worker may be of different instants. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::bindings {

struct ServerState {
  int server_limit = 0;
  int thread_limit = 0;
  int running_generation = 0;
  std::int64_t restart_us = 0;  ///< Since the epoch, as all times here.
  std::int64_t current_us = 0;
};

struct ServerProcessState {
  long pid = 0;  ///< 0: unused.
  int generation = 0;
  bool quiescing = false;
};

/// Bytes of a client's choosing, copied while another process may have been writing them. Ends at the first zero byte
/// or with the array.
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
  char status = '.';  ///< A letter of mod_status; '?' for a number that it does not know.
  std::uint64_t access_count = 0;
  std::uint64_t bytes_served = 0;
  std::int64_t start_us = 0;
  std::int64_t stop_us = 0;
  std::int64_t last_used_us = 0;
  BoundedText<64> client;
  BoundedText<64> request;
  BoundedText<32> vhost;
};

/// All members may be called from any thread and never block.
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
  ~Scoreboard() = default;  // one for the process, never destroyed
};

}  // namespace sluice::bindings
