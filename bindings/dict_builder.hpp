// SPDX-License-Identifier: Apache-2.0
// A dict under construction.
#pragma once

#include <Python.h>

#include <cstdint>
#include <utility>

#include "bindings/convert.hpp"
#include "bindings/object.hpp"

namespace sluice::bindings {

/// Collects the entries of a dict, so that errors are checked once at the end. Used with the GIL held.
class DictBuilder {
 public:
  enum class OnError : std::uint8_t {
    kFail,     ///< The first error ends the construction: take() returns null with the exception set.
    kSkipKey,  ///< An error leaves out the key that caused it; no exception is set.
  };

  /// Begins with an empty dict.
  explicit DictBuilder(OnError on_error = OnError::kFail) : DictBuilder(steal(PyDict_New()), on_error) {}
  /// Begins with the entries of `dict`. Null stands for an error whose exception is set.
  explicit DictBuilder(Object dict, OnError on_error = OnError::kFail) : dict_(std::move(dict)), on_error_(on_error) {
    if (!dict_ && on_error_ == OnError::kSkipKey) PyErr_Clear();
  }

  /// Sets an entry. A null key or value stands for an error whose exception is set.
  DictBuilder& set(PyObject* key, const Object& value) {
    if (dict_ && (key == nullptr || !value || PyDict_SetItem(dict_.ptr(), key, value.ptr()) < 0)) fail();
    return *this;
  }
  DictBuilder& set(const Object& key, const Object& value) { return set(key.ptr(), value); }
  DictBuilder& set(const char* key, const Object& value) {
    if (dict_ && (!value || PyDict_SetItemString(dict_.ptr(), key, value.ptr()) < 0)) fail();
    return *this;
  }
  DictBuilder& set(const char* key, std::uint64_t value) { return set(key, steal(number(value))); }
  DictBuilder& set(const char* key, double value) { return set(key, steal(number(value))); }

  /// Ends the construction after an error whose exception is set, or clears it, as OnError says.
  void fail() {
    if (on_error_ == OnError::kSkipKey) return PyErr_Clear();
    dict_ = {};
  }

  /// The dict so far; null after an error.
  [[nodiscard]] PyObject* dict() const noexcept { return dict_.ptr(); }

  /// Returns the dict, or null with an exception set.
  [[nodiscard]] Object take() { return std::move(dict_); }

 private:
  Object dict_;
  OnError on_error_;
};

}  // namespace sluice::bindings
