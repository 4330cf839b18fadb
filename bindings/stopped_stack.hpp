// SPDX-License-Identifier: Apache-2.0
// The stack of another thread in a Python without a GIL, where no lock keeps that thread from running.
#pragma once

#include "bindings/object.hpp"

namespace sluice::bindings {

#ifdef Py_GIL_DISABLED

/// Returns the stack that a thread has in the current interpreter as traceback.format_list() does. Returns null when it
/// has none, when it is not among the hundred newest threads, and, with an exception set, after an error. Stops all
/// threads of the interpreter meanwhile. The calling thread is attached to the interpreter.
[[nodiscard]] Object stopped_stack_of(unsigned long thread);

#endif

}  // namespace sluice::bindings
