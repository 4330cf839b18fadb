// SPDX-License-Identifier: Apache-2.0
// The worker threads of a daemon process. Each accepts a connection, serves its one request, and accepts the next.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/channel.hpp"
#include "adapters/daemon/daemon_options.hpp"
#include "adapters/daemon/shutdown_controller.hpp"
#include "adapters/daemon/wire.hpp"
#include "adapters/wsgi/process/log_limit.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/request/environ.hpp"
#include "bindings/host.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

class Workers final : public WorkerActivity {
 public:
  /// The socket of the group, and the options and keys for requests that arrive on it.
  struct Endpoint {
    const DaemonOptions& options;
    int listener;         ///< Listening socket, shared with the other processes of the group.
    const KeyRing& keys;  ///< The keys that authenticate requests.
  };

  Workers(Endpoint endpoint, wsgi::Runtime& runtime, ShutdownController& shutdown, const wsgi::ServerFacts& facts);
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// Creates the threads. Returns false, which is logged, when not all of them can be created.
  [[nodiscard]] bool start();

  /// Ends the threads that serve no request, and waits for them. All calls together wait for at most 1 s, or half of
  /// the shutdown timeout if that is less. The other threads end after their request. Not thread-safe.
  void stop() noexcept;

  [[nodiscard]] int active() const noexcept override { return active_.load(std::memory_order_acquire); }
  [[nodiscard]] std::uint64_t last_active_ns() const noexcept override {
    return last_active_ns_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] int older_than(std::uint64_t limit_ns, std::uint64_t now_ns) const noexcept override;
  OverdueRequest overdue(const RequestLimits& limits, std::uint64_t now_ns, OverdueAction& action) noexcept override;

 private:
  /// The sender of a request, as proved by its authentication code.
  enum class Origin : std::uint8_t { kServer, kNewerServer, kUnknown };

  struct Worker {
    pthread_t thread{};
    Workers* all = nullptr;
    std::atomic<std::uint64_t> start_ns{0};  ///< Start of the request in flight; 0 when there is none.
    std::atomic<bool> ended{false};
    wsgi::Interruptible interruptible{};
    std::uint64_t interrupted_start_ns = 0;  ///< The request that was interrupted last. Only overdue() uses it.
    std::uint64_t interrupted_ns = 0;        ///< Time of the last interruption. Only overdue() uses it.
    bool joined = true;                      ///< There is no thread, or it has been joined.
  };

  /// An authenticated request, counted for the limits of the process while it exists. Connections without a valid code
  /// are not counted, because any process of the server's user can make them.
  class InFlight {
   public:
    InFlight(Workers& workers, Worker& worker, std::uint64_t dispatched_ns) noexcept;
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    ~InFlight();

    [[nodiscard]] Worker& worker() noexcept { return worker_; }
    [[nodiscard]] std::uint64_t dispatched_ns() const noexcept { return dispatched_ns_; }
    /// Leaves the inactivity timeout as it is.
    void ignore_activity() noexcept { is_activity_ = false; }

   private:
    Workers& workers_;
    Worker& worker_;
    std::uint64_t dispatched_ns_;
    bool is_activity_ = true;
  };

  /// The reasons to close a connection without an answer.
  enum class Refusal : std::uint8_t { kNoRequest, kLate, kNoCode };
  static constexpr std::size_t kRefusals = 3;

  static void* run(void* worker) noexcept;
  void serve_all(Worker& worker);
  void begin_activity(std::uint64_t now_ns) noexcept;
  [[nodiscard]] bool end_idle() noexcept;
  [[nodiscard]] int accept() noexcept;
  void wait_for_connection() noexcept;
  void reach_maximum(ShutdownController::Stop how);
  [[nodiscard]] bool admit();
  /// Serves one connection and closes it. Returns false when it carried no request that was signed with a key of this
  /// process, or the process takes no more requests.
  [[nodiscard]] bool serve(int socket, wsgi::ThreadContext& thread, Worker& worker);
  [[nodiscard]] std::optional<std::string> read_head(Channel& channel);
  void dispatch(Channel& channel, std::string_view payload, InFlight& request, wsgi::ThreadContext& thread);
  void serve_request(Channel& channel, const RequestHead& head, Worker& worker, wsgi::ThreadContext& thread);
  void set_buffer_sizes(int socket) const noexcept;
  [[nodiscard]] Origin origin_of(std::string_view payload) const noexcept;
  void log_refusal(Refusal refusal);
  void log(LogLevel level, const std::string& line) const noexcept;

  Endpoint endpoint_;
  wsgi::Runtime& runtime_;
  ShutdownController& shutdown_;
  const wsgi::ServerFacts& facts_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::uint64_t stop_wait_ns_;  ///< Remaining time that stop() may wait.
  std::atomic<int> active_{0};
  std::atomic<std::uint64_t> last_active_ns_{0};  ///< 0 before the first request.
  std::atomic<int> served_{0};                    ///< Requests that have ended, up to maximum-requests.
  std::atomic<std::int64_t> begun_{0};
  std::atomic<bool> maximum_reached_{false};
  wsgi::LogLimit refusals_[kRefusals];  ///< Indexed by Refusal.
  wsgi::LogLimit accept_failures_;
  wsgi::LogLimit listener_repairs_;
  std::atomic<bool> outdated_{false};  ///< A script has changed, so no more requests are served.
};

}  // namespace sluice::daemon
