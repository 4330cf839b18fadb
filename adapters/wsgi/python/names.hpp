// Strings that every request needs, made once for an interpreter: names of attributes and keys of the environ.
#pragma once

#include <Python.h>

#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// Used with the lock of the interpreter held.
class Names {
 public:
  /// A string with this text; null with an exception set. A configuration may name any number of them: only the first
  /// few are kept.
  [[nodiscard]] bindings::Object of(std::string_view text);

  /// What a module's global name stands for; null without an exception if there is none.
  [[nodiscard]] bindings::Object in_module(PyObject* module, std::string_view name);

  /// Puts a variable of a request into its environ. False with an exception set.
  [[nodiscard]] bool set(PyObject* environ, std::string_view key, std::string_view value);

  /// Makes the names of the variables that are expected. False with an exception set.
  [[nodiscard]] bool expect_variables();

 private:
  /// Whose the values of a variable are.
  enum class Values : bool {
    kOfRequest,  ///< Chosen by clients: none is kept.
    kOfServer,   ///< Mostly the same for all requests: the last is kept.
  };

  struct Name {
    bindings::Object text;
    Values values = Values::kOfRequest;
    std::string last_value;
    bindings::Object last_object;
  };

  /// The value of a variable of the server, made anew only if it differs from the last. Null with an exception set.
  [[nodiscard]] static bindings::Object kept(Name& name, std::string_view key, std::string_view value);

  absl::flat_hash_map<std::string, Name> names_;
};

}  // namespace sluice::wsgi
