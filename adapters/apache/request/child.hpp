// SPDX-License-Identifier: Apache-2.0
// A serving process of Apache: its recorder, its Python, and the threads that serve requests in it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "adapters/apache/server/server.hpp"
#include "adapters/telemetry/reporter.hpp"
#include "adapters/wsgi/process/runtime.hpp"
#include "adapters/wsgi/process/thread.hpp"
#include "adapters/wsgi/request/environ.hpp"
#include "adapters/wsgi/schema/timestamps.hpp"
#include "bindings/host.hpp"
#include "sluice/log.hpp"

namespace sluice::apache {

/// The limits of processes and threads, as reported by the MPM.
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
  [[nodiscard]] bool logs(LogLevel level) const noexcept override;
  void log(LogLevel level, std::string_view line) const noexcept override;
  void log_for_request(LogLevel level, std::string_view line) const noexcept override;

 private:
  server_rec* server_;
  Capacity capacity_;
  bool external_reporter_;
};

/// Never destroyed, because threads that are still running when the process ends may use it.
class Child {
 public:
  /// Starts Python and loads the scripts of the configuration. Call it on the main thread of a new process. Errors are
  /// logged, and requests are then answered with 500. Requests are recorded in `memory`, or in private memory when it
  /// is empty.
  Child(apr_pool_t* pool, server_rec* server, std::span<std::byte> memory);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// Stops Python. When the application hangs, the process ends after a bounded time.
  void stop();

  /// Returns the context of the calling thread, which ends with the thread.
  [[nodiscard]] wsgi::ThreadContext& thread_of(request_rec* request);

  [[nodiscard]] wsgi::Runtime& runtime() noexcept { return runtime_; }
  [[nodiscard]] const wsgi::ServerFacts& facts() const noexcept { return facts_; }
  [[nodiscard]] wsgi::WallAnchor& wall_anchor() noexcept { return wall_anchor_; }
  /// Returns false when the MPM serves requests on the main thread, where DeferredSignals is needed.
  [[nodiscard]] bool threaded() const noexcept { return capacity_.threaded; }

 private:
  ~Child() = default;

  /// Starts Python, and loads the scripts of the configuration.
  void load();

  Capacity capacity_;
  EmbeddedHost host_;
  wsgi::Runtime runtime_;
  wsgi::ThreadContext main_thread_;
  telemetry::Reporter* reporter_ = nullptr;
  wsgi::ServerFacts facts_;
  wsgi::WallAnchor wall_anchor_;
  apr_pool_t* pool_;
};

/// Returns the child of this process; null in the parent, and before the hook child_init.
[[nodiscard]] Child* child() noexcept;

/// The hook child_init, before all other modules: releases what the process inherited and does not need.
void isolate_child(apr_pool_t* pool, server_rec* server);

/// The hook child_init.
void start_child(apr_pool_t* pool, server_rec* server);

/// The hook process_connection, which declines. An MPM that forks a process for each connection calls it first in that
/// process, which distinguishes the process from a copy that an application has forked.
int enter_connection(conn_rec* connection);

}  // namespace sluice::apache
