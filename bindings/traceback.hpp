// SPDX-License-Identifier: Apache-2.0
// Exceptions and stacks as lines for a log. The caller of each function holds the GIL.
#pragma once

#include <string>
#include <vector>

namespace sluice::bindings {

/// Clears the exception that is set and returns its traceback. An error while it is formatted leads to fewer lines and
/// sets no other exception.
[[nodiscard]] std::vector<std::string> take_traceback();

/// Returns the Python stack of a thread, given its identifier from threading.get_ident(), with the innermost call last.
/// Empty when the thread runs nothing in the current interpreter.
[[nodiscard]] std::vector<std::string> stack_of(unsigned long thread);

/// Returns the type name of the exception that is set, which stays set.
[[nodiscard]] std::string exception_name();

}  // namespace sluice::bindings
