// SPDX-License-Identifier: Apache-2.0
// An object of an interpreter that is created when it is first needed and stays the same from then on.
#pragma once

#include <Python.h>

#include <atomic>

#include "bindings/object.hpp"

namespace sluice::bindings {

/// Any thread of the interpreter may call the members, except clear() and assignment, which are for the end.
class OnceObject {
 public:
  OnceObject() = default;
  OnceObject(const OnceObject&) = delete;
  OnceObject& operator=(const OnceObject&) = delete;
  OnceObject& operator=(OnceObject&& other) noexcept {
    clear();
    object_.store(other.object_.exchange(nullptr, std::memory_order_relaxed), std::memory_order_relaxed);
    return *this;
  }
  ~OnceObject() { clear(); }

  /// Returns the object, which lives as long as this one; null before the first keep().
  [[nodiscard]] PyObject* get() const noexcept {
    // The creator's writes to the object happen before a thread that finds it here reads them.
    return object_.load(std::memory_order_acquire);
  }

  /// Keeps an object, unless another thread has kept one before. Returns the one that is kept. Null is not kept.
  PyObject* keep(Object candidate) noexcept {
    PyObject* kept = nullptr;
    if (!candidate) return get();
    // The failed exchange reads an object that another thread has created.
    if (object_.compare_exchange_strong(kept, candidate.ptr(), std::memory_order_acq_rel, std::memory_order_acquire)) {
      return candidate.release().ptr();
    }
    return kept;
  }

  void clear() noexcept { static_cast<void>(steal(object_.exchange(nullptr, std::memory_order_relaxed))); }

 private:
  std::atomic<PyObject*> object_{nullptr};
};

}  // namespace sluice::bindings
