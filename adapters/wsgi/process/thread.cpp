#include "adapters/wsgi/process/thread.hpp"

#include <algorithm>

#include "adapters/wsgi/process/interpreter.hpp"

namespace sluice::wsgi {
namespace {

thread_local constinit ThreadContext* this_thread = nullptr;

}  // namespace

ThreadContext::ThreadContext(Recorder& recorder) : recorder_(recorder) { this_thread = this; }

ThreadContext* ThreadContext::current() noexcept { return this_thread; }

void ThreadContext::end(bool interpreters_alive) noexcept {
  for (const State& each : states_) {
    if (!interpreters_alive || !each.owned) continue;
    PyEval_RestoreThread(each.state);
    PyThreadState_Clear(each.state);
    PyThreadState_DeleteCurrent();
  }
  states_.clear();
  known_interpreters_.clear();
  worker_ = Worker();
  attached_ = false;
  if (this_thread == this) this_thread = nullptr;
}

PyThreadState* ThreadContext::state_in(PyInterpreterState* interpreter) {
  for (const State& each : states_) {
    if (each.interpreter == interpreter) return each.state;
  }
  // The first state of a thread is the one that PyGILState finds, and extension modules use that with the main
  // interpreter in mind.
  if (states_.empty() && interpreter != PyInterpreterState_Main()) {
    if (state_in(PyInterpreterState_Main()) == nullptr) return nullptr;
  }
  PyThreadState* const state = PyThreadState_New(interpreter);
  if (state != nullptr) states_.push_back({interpreter, state, true});
  return state;
}

Interpreter* ThreadContext::known_interpreter(const std::string& name) const noexcept {
  const auto found = std::find_if(known_interpreters_.begin(), known_interpreters_.end(),
                                  [&](const Interpreter* known) { return known->name() == name; });
  return found != known_interpreters_.end() ? *found : nullptr;
}

ThreadContext::Serving::~Serving() {
  for (LineBuffer& lines : thread_.lines_) {
    lines.flush([this](std::string_view line) { thread_.exchange_->log(bindings::LogLevel::kError, line); });
  }
  thread_.exchange_ = outer_;
}

}  // namespace sluice::wsgi
