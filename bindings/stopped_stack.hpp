// SPDX-License-Identifier: Apache-2.0
// The stack of another thread in a Python without a GIL, where no lock keeps that thread from running.
#pragma once

#include <Python.h>

#include <string>
#include <vector>

namespace sluice::bindings {

#ifdef Py_GIL_DISABLED

/// Returns the stack that a thread has in the current interpreter, the most recent call last, without the text of the
/// source lines; empty when it has none, or when it is not among the hundred newest threads. Stops all threads of the
/// interpreter meanwhile. The calling thread is attached to the interpreter; no exception is set afterwards.
[[nodiscard]] std::vector<std::string> stopped_stack_of(unsigned long thread);

#endif

}  // namespace sluice::bindings
