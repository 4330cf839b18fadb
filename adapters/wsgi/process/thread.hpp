// A thread that serves requests: its slot in the recorder, its thread state in each interpreter, what it is serving.
#pragma once

#include <Python.h>

#include <array>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "adapters/wsgi/process/log_stream.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "sluice/recorder.hpp"

namespace sluice::wsgi {

class Interpreter;

/// Made by a thread for itself when it serves its first request, and ended by its host when the thread ends. Found
/// again through a thread-local pointer that has no destructor, so that it pins no shared object.
class ThreadContext {
 public:
  /// For the calling thread. It takes its place in the recorder when it first serves a request.
  explicit ThreadContext(Recorder& recorder);
  ThreadContext(const ThreadContext&) = delete;
  ThreadContext& operator=(const ThreadContext&) = delete;

  /// Detaches it. `interpreters_alive` is false once they are finalised: their thread states are gone then.
  void end(bool interpreters_alive) noexcept;

  /// Null on threads that serve no requests.
  [[nodiscard]] static ThreadContext* current() noexcept;

  [[nodiscard]] Worker& worker() {
    if (!attached_) worker_ = recorder_.attach();
    attached_ = true;
    return worker_;
  }
  [[nodiscard]] Exchange* exchange() const noexcept { return exchange_; }
  [[nodiscard]] LineBuffer& lines(Stream stream) noexcept { return lines_[static_cast<std::size_t>(stream)]; }

  /// Takes a thread state that this thread has already, and leaves the end of it to its owner.
  void adopt(PyThreadState* state) { states_.push_back({PyThreadState_GetInterpreter(state), state, false}); }

  /// This thread's state in an interpreter; made on first use. Null if there is no memory. Without any lock.
  [[nodiscard]] PyThreadState* state_in(PyInterpreterState* interpreter);

  /// The interpreter of an application group that this thread has used before; null if it has not. Needs no lock.
  [[nodiscard]] Interpreter* known_interpreter(const std::string& name) const noexcept;
  void remember(Interpreter& interpreter) { known_interpreters_.push_back(&interpreter); }

  /// Sets what the thread serves for a scope; requests nest when a server makes subrequests.
  class Serving {
   public:
    Serving(ThreadContext& thread, Exchange& exchange) noexcept
        : thread_(thread), outer_(std::exchange(thread.exchange_, &exchange)) {}
    Serving(const Serving&) = delete;
    Serving& operator=(const Serving&) = delete;
    /// Logs what is left of unfinished lines.
    ~Serving();

   private:
    ThreadContext& thread_;
    Exchange* outer_;
  };

 private:
  struct State {
    PyInterpreterState* interpreter;
    PyThreadState* state;
    bool owned;
  };

  Recorder& recorder_;
  Worker worker_;
  bool attached_ = false;
  Exchange* exchange_ = nullptr;
  std::array<LineBuffer, kStreams> lines_;
  std::vector<State> states_;
  std::vector<Interpreter*> known_interpreters_;  ///< They live as long as Python runs.
};

}  // namespace sluice::wsgi
