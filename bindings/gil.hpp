// SPDX-License-Identifier: Apache-2.0
// Releasing the lock of an interpreter (the GIL) for a scope. Only hosts acquire it, because they own the thread
// states.
#pragma once

#include <Python.h>

#include <cxxabi.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <utility>

#include "adapters/wsgi/schema/completion.hpp"
#include "sluice/clock.hpp"

namespace sluice::bindings {

#ifdef Py_GIL_DISABLED
namespace internal {
inline constinit std::atomic<bool> free_threading{false};
}
/// Tells that Python will run without a GIL. Called before Python starts.
inline void run_without_gil() noexcept { internal::free_threading.store(true, std::memory_order_relaxed); }
/// Whether threads may have to wait for a GIL. What is said here of holding and releasing it holds for the attachment
/// of a thread to its interpreter otherwise.
[[nodiscard]] inline bool has_gil() noexcept {
  // Set before any other thread of Python exists.
  return !internal::free_threading.load(std::memory_order_relaxed);
}
#else
[[nodiscard]] constexpr bool has_gil() noexcept { return true; }
#endif

/// Makes a thread state current and waits for its GIL. Never returns once the interpreter is being finalized by another
/// thread: Python before 3.14 then ends the calling thread by unwinding its stack, which would end the process at the
/// first function that is noexcept, and would release objects without the GIL elsewhere. So the thread is stopped where
/// it is, as later versions of Python do.
inline void restore_thread(PyThreadState* state) noexcept {
#if PY_VERSION_HEX < 0x030E0000 && defined(__GLIBCXX__)
  try {
    PyEval_RestoreThread(state);
  } catch (abi::__forced_unwind&) {
    for (;;) ::pause();
  }
#else
  PyEval_RestoreThread(state);
#endif
}

/// Acquires the GIL of a thread state and adds the wait for it to `waits`, if any.
inline void acquire_gil(PyThreadState* state, wsgi::GilWaits* waits) noexcept {
  if (!has_gil()) waits = nullptr;  // nothing to wait for
  const std::uint64_t start_ns = waits != nullptr ? monotonic_ns() : 0;
  restore_thread(state);
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
