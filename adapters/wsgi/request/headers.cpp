// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/headers.hpp"

#include <string>
#include <utility>

#include "adapters/wsgi/request/head_rules.hpp"
#include "bindings/items.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// Views the Latin-1 characters of a str, which owns them. Returns false with an exception set when it has others.
bool latin1(PyObject* value, std::string_view& text) {
  if (PyUnicode_Check(value) == 0) {
    PyErr_Format(PyExc_TypeError, "must be str, not %.200s", Py_TYPE(value)->tp_name);
    return false;
  }
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(value) < 0) return false;
#endif
  if (PyUnicode_KIND(value) != PyUnicode_1BYTE_KIND) {
    static_cast<void>(steal(PyUnicode_AsLatin1String(value)));  // sets the exception
    return false;
  }
  text = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(value)),
          static_cast<std::size_t>(PyUnicode_GET_LENGTH(value))};
  return true;
}

/// Sets ValueError for a violation. Returns false.
bool refuse(const HeadViolation& broken) {
  if (broken.text.data() == nullptr) {
    PyErr_SetString(PyExc_ValueError, broken.rule);
    return false;
  }
  const Object bytes =
      steal(PyBytes_FromStringAndSize(broken.text.data(), static_cast<Py_ssize_t>(broken.text.size())));
  if (bytes) PyErr_Format(PyExc_ValueError, "%s: %R", broken.rule, bytes.ptr());
  return false;
}

bool keeps(const HeadCheck& check) { return !check || refuse(*check); }

/// Adds a header. One that only the server may set is left out, and its name stored.
bool add_header(PyObject* header, Headers& headers, std::string& dropped) {
  if (PyTuple_Check(header) == 0) {
    PyErr_Format(PyExc_TypeError, "each header must be a 2-tuple, not %.200s", Py_TYPE(header)->tp_name);
    return false;
  }
  if (PyTuple_GET_SIZE(header) != 2) {
    PyErr_Format(PyExc_ValueError, "each header must be a 2-tuple, got length %zd", PyTuple_GET_SIZE(header));
    return false;
  }
  std::string_view name;
  if (!latin1(PyTuple_GET_ITEM(header, 0), name)) return false;
  if (const HeadCheck check = check_field_name(name)) {
    if (!is_hop_by_hop(name)) return refuse(*check);
    dropped = name;
    return true;
  }
  std::string_view value;
  if (!latin1(PyTuple_GET_ITEM(header, 1), value) || !keeps(check_field_value(value))) return false;
  headers.emplace_back(name, value);
  return true;
}

}  // namespace

bool parse_head(PyObject* status, PyObject* headers, ResponseHead& head, std::string& dropped) {
  std::string_view line;
  ResponseHead parsed;
  if (!latin1(status, line) || !keeps(check_status_line(line, parsed.status))) return false;
  parsed.status_line = line;
  parsed.headers.reserve(static_cast<std::size_t>(PyList_GET_SIZE(headers)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); ++i) {
    const Object header = bindings::item_at(headers, i);
    if (!header) break;
    if (!add_header(header.ptr(), parsed.headers, dropped)) return false;
  }
  head = std::move(parsed);
  return true;
}

bool parse_content_length(const Headers& headers, std::optional<std::uint64_t>& length) {
  const HeadCheck check = find_content_length(headers, length);
  if (check) PyErr_Format(PyExc_ValueError, "%s: '%s'", check->rule, std::string(check->text).c_str());
  return !check;
}

}  // namespace sluice::wsgi
