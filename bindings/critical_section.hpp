// SPDX-License-Identifier: Apache-2.0
// Guards of what the GIL guards in a Python that has one.
//
// In a build of Python that can run without a GIL, a critical section does for one object what the GIL does for all:
// one thread at a time is inside, and it is left while the thread waits or releases its interpreter (WithoutGil), and
// entered again afterwards. Code that is right with the GIL therefore stays right: its invariants hold at the places
// where it may lose the GIL, and only there can a critical section be lost. A thread that waits for one has released
// its interpreter, so no two threads wait for each other, and none keeps a garbage collection or a fork waiting. A fork
// stops all threads at such places, so a child finds no section entered by a thread that it does not have.
//
// In other builds both types are empty, and cost nothing.
#pragma once

#include <Python.h>

namespace sluice::bindings {

#ifdef Py_GIL_DISABLED

/// Names a set of variables that one thread at a time may use. Memory of zeros is a valid object.
class SectionMutex {
 private:
  friend class CriticalSection;
  PyMutex mutex_{};
};

/// Enters the critical section of a mutex for a scope. The calling thread is attached to an interpreter at both ends.
/// Null stands for variables that no other thread knows.
class CriticalSection {
 public:
  explicit CriticalSection(SectionMutex* mutex) noexcept : entered_(mutex != nullptr) {
    if (entered_) PyCriticalSection_BeginMutex(&section_, &mutex->mutex_);
  }
  explicit CriticalSection(SectionMutex& mutex) noexcept : CriticalSection(&mutex) {}
  CriticalSection(const CriticalSection&) = delete;
  CriticalSection& operator=(const CriticalSection&) = delete;
  ~CriticalSection() {
    if (entered_) PyCriticalSection_End(&section_);
  }

 private:
  PyCriticalSection section_;
  bool entered_;
};

#else

class SectionMutex {};

class CriticalSection {
 public:
  explicit CriticalSection(const SectionMutex*) noexcept {}
  explicit CriticalSection(const SectionMutex&) noexcept {}
  CriticalSection(const CriticalSection&) = delete;
  CriticalSection& operator=(const CriticalSection&) = delete;
  ~CriticalSection() {}  // NOLINT(modernize-use-equals-default): a guard without uses is no unused variable
};

#endif

}  // namespace sluice::bindings
