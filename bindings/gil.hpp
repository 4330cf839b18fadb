// SPDX-License-Identifier: Apache-2.0
// Releasing the lock of an interpreter (the GIL) for a scope. Only hosts acquire it, because they own the thread
// states.
#pragma once

#include <Python.h>

#include <new>
#include <utility>

#include "adapters/wsgi/schema/completion.hpp"
#include "sluice/clock.hpp"

namespace sluice::bindings {

/// Acquires the GIL of a thread state and adds the wait for it to `waits`, if any.
inline void acquire_gil(PyThreadState* state, wsgi::GilWaits* waits) noexcept {
  const std::uint64_t start_ns = waits != nullptr ? monotonic_ns() : 0;
  PyEval_RestoreThread(state);
  if (waits != nullptr) waits->add(monotonic_ns() - start_ns);
}

/// Releases the GIL of the calling thread for a scope. The wait to acquire it again counts as a GIL wait of the request
/// that owns `waits`, if any.
class WithoutGil {
 public:
  explicit WithoutGil(wsgi::GilWaits* waits = nullptr) noexcept : waits_(waits), state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() { acquire_gil(state_, waits_); }

 private:
  wsgi::GilWaits* waits_;
  PyThreadState* state_;
};

/// Calls `work` without the GIL. Returns false with MemoryError set when it throws std::bad_alloc, because no exception
/// of C++ may pass through Python's frames.
template <class Work>
[[nodiscard]] bool without_gil(Work&& work) {
  try {
    const WithoutGil released;
    std::forward<Work>(work)();
    return true;
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
    return false;
  }
}

}  // namespace sluice::bindings
