// SPDX-License-Identifier: Apache-2.0
// Interned strings that every request of an interpreter needs: names of attributes and keys of the environ.
#pragma once

#include <Python.h>

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Used with the GIL of the interpreter held. Where Python can run without one, the table does not change any more
/// after expect_variables(), which is called before other threads know the interpreter: no request then waits for
/// another one here, and none writes what the others read.
class Names {
 public:
  /// Returns a string with this text, or null with an exception set. Keeps the first few strings only, because a
  /// configuration may name any number of them.
  [[nodiscard]] bindings::Object of(std::string_view text);

  /// Returns the value of a global name of a module, or null, with no exception set, when there is none.
  [[nodiscard]] bindings::Object in_module(PyObject* module, std::string_view name);

  /// Sets a variable of a request in its environ. Returns false with an exception set.
  [[nodiscard]] bool set(PyObject* environ, std::string_view key, std::string_view value);

  /// Creates the names of the usual variables and of what the module itself looks up. Returns false with an exception
  /// set.
  [[nodiscard]] bool expect_variables();

 private:
  /// How the values of a variable differ between requests.
  enum class Values : bool {
    kVaries,   ///< Clients choose the value, so it is not cached.
    kRepeats,  ///< Most requests have the same value, so the last one is cached.
  };

  struct Name {
    bindings::Object text;
    Values values = Values::kVaries;
    std::string last_value;
    bindings::Object last_object;
  };

  /// Returns the value of a variable, which is created again only when it differs from the last one. Returns null with
  /// an exception set.
  [[nodiscard]] static bindings::Object cached(Name& name, std::string_view key, std::string_view value);

  absl::flat_hash_map<std::string, Name> names_;
  bool complete_ = false;  ///< Nothing is added or cached any more.
};

}  // namespace sluice::wsgi
