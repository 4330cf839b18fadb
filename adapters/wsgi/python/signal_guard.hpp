// SPDX-License-Identifier: Apache-2.0
// The signals of a server's process belong to the server. The guard makes the functions of an interpreter's modules
// `signal` and `faulthandler` that would change how the process handles signals do nothing, with a warning in the log.
#pragma once

#include <Python.h>

#include <cstdint>

#include "bindings/host.hpp"

namespace sluice::wsgi {

/// How the server treats signals that code of an application wants to handle.
struct SignalPolicy {
  bool restricted = true;        ///< WSGIRestrictSignal: the functions are replaced.
  bool threads_blocked = false;  ///< The server blocks all signals in the threads that serve requests.
};

/// Guards the current interpreter, and sees to it that a process that the application forks can handle signals as any
/// other: registrations take effect there, and signals have their default effect. `host` outlives the interpreter.
/// Returns false with an exception set.
[[nodiscard]] bool guard_signals(const SignalPolicy& policy, const bindings::Host& host);

}  // namespace sluice::wsgi
