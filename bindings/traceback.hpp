// The exception that is set, and the stacks of threads, as lines for a log.
#pragma once

#include <string>
#include <vector>

namespace sluice::bindings {

/// Takes the exception of this thread, leaving none set. Any exception on the way ends in fewer lines, never in
/// another.
[[nodiscard]] std::vector<std::string> take_traceback();

/// Where a thread is in Python, by its identifier (threading.get_ident()), the innermost call last. Empty if it is not
/// in the current interpreter. With the lock.
[[nodiscard]] std::vector<std::string> stack_of(unsigned long thread);

/// The name of the type of the exception that is set; it stays set.
[[nodiscard]] std::string exception_name();

}  // namespace sluice::bindings
