// A WSGI script file from its path to its code object, with the check of its owner on the very file that is compiled.
#pragma once

#include <Python.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Who must own a script. What is not set may be anybody.
struct ScriptOwnerRule {
  std::optional<uid_t> user;
  std::optional<gid_t> group;
};

/// What became of a script file.
struct ScriptCode {
  bindings::Object code;      ///< Null after an error: an exception is set, unless the file is forbidden.
  std::string forbidden;      ///< Why the file must not run, as a clause for the log; empty if it may.
  std::int64_t mtime_us = 0;  ///< When the file was changed last, at the time it was opened.
};

/// Reads and compiles a script. The file is opened once: its owner, its kind and its bytes are those of one descriptor,
/// whatever takes its place at the path meanwhile. Calls no function that an application can replace, except a codec
/// that the file names. With the lock, which is given up while the file is read.
[[nodiscard]] ScriptCode compile_script(const std::string& path, const ScriptOwnerRule& rule);

/// When a file was changed last; 0 if it cannot be looked at. Blocks as stat() does.
[[nodiscard]] std::int64_t modified_us(const std::string& path) noexcept;

/// A file name as Python has it, whatever its bytes; null with an exception set.
[[nodiscard]] bindings::Object file_name(const std::string& path);

}  // namespace sluice::wsgi
