// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/thread.hpp"

namespace sluice::wsgi {
namespace {

thread_local constinit ThreadContext* this_thread = nullptr;

}  // namespace

ThreadContext::ThreadContext(Recorder& recorder) : recorder_(recorder) { this_thread = this; }

ThreadContext* ThreadContext::current() noexcept { return this_thread; }

void ThreadContext::end(bool interpreters_alive) noexcept {
  for (const State& state : states_) {
    if (!interpreters_alive || !state.owned) continue;
    PyEval_RestoreThread(state.state);
    PyThreadState_Clear(state.state);
    PyThreadState_DeleteCurrent();  // releases the GIL
  }
  states_.clear();
  interpreters_.clear();
  worker_ = Worker();
  attached_ = false;
  if (this_thread == this) this_thread = nullptr;
}

Exchange* ThreadContext::current_exchange() noexcept {
  const ThreadContext* const thread = current();
  return thread != nullptr ? thread->exchange() : nullptr;
}

PyThreadState* ThreadContext::create_state(PyInterpreterState* interpreter) {
  // PyGILState finds the first state of a thread, and extension modules that use it expect the main interpreter.
  if (states_.empty() && interpreter != PyInterpreterState_Main()) {
    if (state_in(PyInterpreterState_Main()) == nullptr) return nullptr;
  }
  PyThreadState* const state = PyThreadState_New(interpreter);
  if (state != nullptr) states_.push_back({interpreter, state, true});
  return state;
}

void ThreadContext::Serving::flush(absl::FunctionRef<void(std::string_view)> emit) {
  for (LineBuffer& lines : thread_.lines_) lines.flush(emit);
}

void ThreadContext::Serving::log_unfinished_lines() {
  flush([this](std::string_view line) { thread_.exchange_->log(LogLevel::kError, line); });
}

}  // namespace sluice::wsgi
