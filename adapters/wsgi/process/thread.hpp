// SPDX-License-Identifier: Apache-2.0
// A thread that serves requests: its slot in the recorder, its thread state in each interpreter, and its request.
#pragma once

#include <Python.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/wsgi/process/line_buffer.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/schema/recorder.hpp"

namespace sluice::wsgi {

class Interpreter;

/// Created by a thread for itself before its first request. The host calls end() when the thread ends. current() finds
/// it through a thread-local pointer without a destructor, because a thread-local destructor would keep the module from
/// being unloaded.
class ThreadContext {
 public:
  /// For the calling thread. The thread takes a slot of the recorder when worker() is first called.
  explicit ThreadContext(Recorder& recorder);
  ThreadContext(const ThreadContext&) = delete;
  ThreadContext& operator=(const ThreadContext&) = delete;

  /// Gives up the slot and deletes the thread states. `interpreters_alive` is false when the interpreters have been
  /// finalized, which deletes their thread states.
  void end(bool interpreters_alive) noexcept;

  /// Returns the context of the calling thread, or null on a thread that serves no requests.
  [[nodiscard]] static ThreadContext* current() noexcept;

  [[nodiscard]] Worker& worker() {
    if (!attached_) worker_ = recorder_.attach();
    attached_ = true;
    return worker_;
  }
  /// The exchange of the request that the thread serves; null between requests.
  [[nodiscard]] Exchange* exchange() const noexcept { return exchange_; }
  /// Returns the exchange of the request that the calling thread serves; null when it serves none.
  [[nodiscard]] static Exchange* current_exchange() noexcept;
  [[nodiscard]] LineBuffer& lines(Stream stream) noexcept { return lines_[static_cast<std::size_t>(stream)]; }

  /// Adds a thread state that the thread has already. end() does not delete it.
  void adopt(PyThreadState* state) { states_.push_back({PyThreadState_GetInterpreter(state), state, false}); }

  /// Returns this thread's state in an interpreter, which is created on first use, or null when there is no memory. The
  /// caller holds no GIL.
  [[nodiscard]] PyThreadState* state_in(PyInterpreterState* interpreter) {
    for (const State& state : states_) {
      if (state.interpreter == interpreter) return state.state;
    }
    return create_state(interpreter);
  }

  /// Returns the interpreter that the thread has remembered under the name of an application group, or null. Takes no
  /// lock.
  [[nodiscard]] Interpreter* find_interpreter(std::string_view name) const noexcept {
    for (const NamedInterpreter& entry : interpreters_) {
      if (entry.name == name) return entry.interpreter;
    }
    return nullptr;
  }
  /// Remembers an interpreter, which owns `name` and lives as long as Python runs.
  void remember(std::string_view name, Interpreter& interpreter) { interpreters_.push_back({name, &interpreter}); }

  /// Sets the exchange of the thread for a scope. Scopes nest when a server makes subrequests.
  class Serving final : private UnfinishedLines {
   public:
    Serving(ThreadContext& thread, Exchange& exchange) noexcept
        : thread_(thread), outer_(std::exchange(thread.exchange_, &exchange)) {
      exchange.set_unfinished_lines(this);
    }
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;
    /// Logs the lines that the application has not ended.
    ~Serving() {
      thread_.exchange_->set_unfinished_lines(nullptr);
      if (thread_.has_unfinished_lines()) [[unlikely]]
        log_unfinished_lines();
      thread_.exchange_ = outer_;
    }

   private:
    void flush(absl::FunctionRef<void(std::string_view line)> emit) override;
    void log_unfinished_lines();

    ThreadContext& thread_;
    Exchange* outer_;
  };

 private:
  struct State {
    PyInterpreterState* interpreter;
    PyThreadState* state;
    bool owned;  ///< Whether end() deletes it.
  };
  struct NamedInterpreter {
    std::string_view name;
    Interpreter* interpreter;
  };

  /// Makes the thread's state in an interpreter, after one in the main interpreter.
  [[nodiscard]] PyThreadState* create_state(PyInterpreterState* interpreter);
  [[nodiscard]] bool has_unfinished_lines() const noexcept {
    return std::any_of(lines_.begin(), lines_.end(), [](const LineBuffer& lines) { return lines.has_unfinished(); });
  }

  Recorder& recorder_;
  Worker worker_;
  bool attached_ = false;
  Exchange* exchange_ = nullptr;
  std::array<LineBuffer, kStreams> lines_;
  std::vector<State> states_;
  std::vector<NamedInterpreter> interpreters_;
};

}  // namespace sluice::wsgi
