// wsgi.file_wrapper: a file as a response. A regular file is sent by the server itself, anything else in blocks.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>

#include "bindings/object.hpp"

namespace sluice::wsgi {

/// The class mod_wsgi.FileWrapper of the current interpreter; null with an exception set.
[[nodiscard]] bindings::Object make_file_wrapper_type();

/// What a server can send of a file by itself: from its present position on to its end.
struct RegularFile {
  int descriptor = -1;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// The file behind a response, if that is a FileWrapper over a regular file. Leaves no exception set.
[[nodiscard]] std::optional<RegularFile> regular_file(PyObject* response, PyObject* file_wrapper_type);

}  // namespace sluice::wsgi
