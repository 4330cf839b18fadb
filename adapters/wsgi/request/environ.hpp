// The environ of PEP 3333.
#pragma once

#include <Python.h>

#include <string_view>

#include "adapters/wsgi/process/interpreter.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// What the environ says of the process rather than of the request.
struct ServerFacts {
  bool multithread = true;
  bool multiprocess = true;
  int server_version[3] = {};
  bool capture_user_agent = false;  ///< In what is kept of slow requests.
};

/// A new dict; null with an exception set. `thread_id` is the worker's, from 1.
[[nodiscard]] bindings::Object make_environ(const Exchange& exchange, InterpreterObjects& objects,
                                            const ServerFacts& facts, PyObject* input, std::size_t thread_id);

}  // namespace sluice::wsgi
