// One serving process of Apache: its recorder, its Python, and the threads that serve requests in it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "adapters/apache/server.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/environ.hpp"
#include "adapters/wsgi/runtime.hpp"
#include "adapters/wsgi/thread.hpp"
#include "bindings/host.hpp"
#include "sluice/timestamps.hpp"

namespace sluice::apache {

/// What the server is made of, asked of its MPM.
struct Capacity {
  long processes = 1;
  long threads = 1;
  bool threaded = false;

  [[nodiscard]] static Capacity of_server();
};

/// The host of embedded mode.
class EmbeddedHost final : public bindings::Host {
 public:
  EmbeddedHost(server_rec* server, const Capacity& capacity, std::span<std::byte> memory);

  [[nodiscard]] bool external_reporter() const noexcept override { return external_reporter_; }
  [[nodiscard]] const bindings::Scoreboard* scoreboard() const noexcept override;
  [[nodiscard]] std::string process_group() const override { return {}; }
  [[nodiscard]] long maximum_processes() const noexcept override { return capacity_.processes; }
  [[nodiscard]] long threads_per_process() const noexcept override { return capacity_.threads; }
  void log(bindings::LogLevel level, std::string_view line) const noexcept override;

 private:
  server_rec* server_;
  Capacity capacity_;
  bool external_reporter_;
};

/// Never destroyed: threads that do not end with their process may use it to the last.
class Child {
 public:
  /// Starts Python and loads the scripts that are to be loaded at start. On the main thread of a new process. Errors
  /// are logged; requests are then answered with them. `memory` is where requests are recorded; empty: where nobody
  /// else reads it.
  Child(apr_pool_t* pool, server_rec* server, std::span<std::byte> memory);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Ends Python in order, within a bounded time: an application that hangs is left to the kernel.
  void stop();

  /// The calling thread's context. It is ended with the thread.
  [[nodiscard]] wsgi::ThreadContext& thread_of(request_rec* request);

  [[nodiscard]] wsgi::Runtime& runtime() noexcept { return runtime_; }
  [[nodiscard]] const wsgi::ServerFacts& facts() const noexcept { return facts_; }
  [[nodiscard]] WallAnchor& wall_anchor() noexcept { return wall_anchor_; }

 private:
  ~Child() = default;

  Capacity capacity_;
  EmbeddedHost host_;
  wsgi::Runtime runtime_;
  wsgi::ThreadContext main_thread_;
  telemetry::Reporter* reporter_ = nullptr;
  wsgi::ServerFacts facts_;
  WallAnchor wall_anchor_;
  apr_pool_t* pool_;
};

/// The child of this process; null in the parent, and before the hook child_init.
[[nodiscard]] Child* child() noexcept;

/// The hook child_init, before all other modules: gives up what the process inherited and does not need.
void isolate_child(apr_pool_t* pool, server_rec* server);

/// The hook child_init.
void start_child(apr_pool_t* pool, server_rec* server);

/// The hook process_connection. Where an MPM forks a process for each connection, this is the first that is called in
/// it: an application's copy of a serving process never begins a connection. Declines.
int enter_connection(conn_rec* connection);

}  // namespace sluice::apache
