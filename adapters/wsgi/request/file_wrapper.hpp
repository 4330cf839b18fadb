// SPDX-License-Identifier: Apache-2.0
// wsgi.file_wrapper: a file as a response. The server sends a regular file itself and reads any other file in blocks.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>

#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Returns the class mod_wsgi.FileWrapper for the current interpreter, or null with an exception set.
[[nodiscard]] bindings::Object make_file_wrapper_type();

/// The part of a file that a server can send itself, from the present position to the end.
struct RegularFile {
  bindings::Object file;  ///< Keeps the descriptor open.
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// Returns the file behind a response that is a FileWrapper over a regular file. Asks the object in the wrapper for its
/// attributes, which may run code of the application. An exception of that code is cleared, except for one that is no
/// Exception, such as RequestTimeout: then no file is returned, and the exception is set.
[[nodiscard]] std::optional<RegularFile> regular_file(PyObject* response, PyObject* file_wrapper_type);

}  // namespace sluice::wsgi
