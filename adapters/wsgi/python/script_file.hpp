// SPDX-License-Identifier: Apache-2.0
// Compiling a WSGI script. The owner is checked on the same open file that is compiled, and on the directory through
// which it was opened.
#pragma once

#include <Python.h>

#include <cstdint>
#include <string>

#include "adapters/wsgi/python/script_owner.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// The result of compiling a script file.
struct ScriptCode {
  bindings::Object code;      ///< Null after an error. An exception is then set, unless `forbidden` has the reason.
  std::string forbidden;      ///< The reason why the file must not run, as a clause for the log; else empty.
  std::int64_t mtime_us = 0;  ///< Modification time of the opened file, since the epoch.
};

/// Reads and compiles a script. Opens the directory and the file in it once, and checks the owner, the permissions and
/// the type of these descriptors, so that another file at the path cannot take its place. Calls no function that an
/// application can replace, except a codec that the file names. The caller holds the GIL, which is released while the
/// file is read.
[[nodiscard]] ScriptCode compile_script(const std::string& path, const ScriptOwnerRule& rule);

/// Returns the modification time of a file in microseconds since the epoch; 0 when stat() fails. Blocks like stat().
[[nodiscard]] std::int64_t modified_us(const std::string& path) noexcept;

/// Returns a file name decoded as Python decodes file names, or null with an exception set.
[[nodiscard]] bindings::Object file_name(const std::string& path);

}  // namespace sluice::wsgi
