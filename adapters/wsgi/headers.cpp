#include "adapters/wsgi/headers.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/ascii.h"
#include "bindings/object.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// RFC 9110, section 5.6.2, without letters and digits.
constexpr std::string_view kTokenMarks = "!#$%&'*+-.^_`|~";

/// Those that belong to the connection, which is the server's.
constexpr std::array<std::string_view, 9> kHopByHop = {
    "connection",        "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "trailers",
    "transfer-encoding", "upgrade"};

/// The characters of a str as bytes, which stay the object's. False with an exception set if it has any beyond Latin-1.
bool latin1(PyObject* value, std::string_view& text) {
  if (PyUnicode_Check(value) == 0) {
    PyErr_Format(PyExc_TypeError, "must be str, not %.200s", Py_TYPE(value)->tp_name);
    return false;
  }
#if PY_VERSION_HEX < 0x030C0000
  if (PyUnicode_READY(value) < 0) return false;
#endif
  if (PyUnicode_KIND(value) != PyUnicode_1BYTE_KIND) {
    static_cast<void>(steal(PyUnicode_AsLatin1String(value)));  // which says what is wrong
    return false;
  }
  text = {reinterpret_cast<const char*>(PyUnicode_1BYTE_DATA(value)),
          static_cast<std::size_t>(PyUnicode_GET_LENGTH(value))};
  return true;
}

/// `format` shows the text as bytes.
bool refuse(const char* format, std::string_view text) {
  const Object bytes = steal(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
  if (bytes) PyErr_Format(PyExc_ValueError, format, bytes.ptr());
  return false;
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return absl::ascii_iscntrl(static_cast<unsigned char>(c)) && c != '\t'; });
}

bool check_status(std::string_view line) {
  const auto is_digit = [&](std::size_t i) {
    return i < line.size() && absl::ascii_isdigit(static_cast<unsigned char>(line[i]));
  };
  if (!is_digit(0) || !is_digit(1) || !is_digit(2) || is_digit(3)) {
    return refuse("status code must be a 3 digit integer: %R", line);
  }
  if (line.size() == 3) return true;
  if (line[3] != ' ') return refuse("no space following status code: %R", line);
  if (has_control(line)) return refuse("control character in status reason phrase: %R", line);
  return true;
}

bool check_name(std::string_view name) {
  if (name.empty()) {
    PyErr_SetString(PyExc_ValueError, "header name is empty");
    return false;
  }
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_iscntrl(byte)) return refuse("control character in header name: %R", name);
    if (c == ' ') return refuse("space character in header name: %R", name);
    if (!absl::ascii_isalnum(byte) && kTokenMarks.find(c) == std::string_view::npos) {
      return refuse("character in header name that HTTP does not allow there: %R", name);
    }
  }
  for (const std::string_view forbidden : kHopByHop) {
    if (same_name(name, forbidden)) return refuse("hop-by-hop header, which is for the server to set: %R", name);
  }
  return true;
}

bool check_value(std::string_view value) {
  if (value.find_first_of("\r\n") != std::string_view::npos) {
    return refuse("carriage return/line feed character in header value: %R", value);
  }
  if (has_control(value)) return refuse("control character in header value: %R", value);
  return true;
}

bool add_header(PyObject* header, Headers& headers) {
  if (PyTuple_Check(header) == 0) {
    PyErr_Format(PyExc_TypeError, "each header must be a 2-tuple, not %.200s", Py_TYPE(header)->tp_name);
    return false;
  }
  if (PyTuple_GET_SIZE(header) != 2) {
    PyErr_Format(PyExc_ValueError, "each header must be a 2-tuple, got length %zd", PyTuple_GET_SIZE(header));
    return false;
  }
  std::string_view name;
  if (!latin1(PyTuple_GET_ITEM(header, 0), name) || !check_name(name)) return false;
  std::string_view value;
  if (!latin1(PyTuple_GET_ITEM(header, 1), value) || !check_value(value)) return false;
  headers.emplace_back(name, value);
  return true;
}

}  // namespace

bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  const auto lower = [](char c) { return absl::ascii_tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), [&](char x, char y) { return lower(x) == lower(y); });
}

bool parse_head(PyObject* status, PyObject* headers, ResponseHead& head) {
  std::string_view line;
  if (!latin1(status, line) || !check_status(line)) return false;
  ResponseHead parsed;
  parsed.status_line = line;
  std::from_chars(parsed.status_line.data(), parsed.status_line.data() + 3, parsed.status);
  parsed.headers.reserve(static_cast<std::size_t>(PyList_GET_SIZE(headers)));
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(headers); ++i) {
    const Object header = bindings::borrow(PyList_GET_ITEM(headers, i));
    if (!add_header(header.ptr(), parsed.headers)) return false;
  }
  head = std::move(parsed);
  return true;
}

bool find_content_length(const Headers& headers, std::optional<std::uint64_t>& length) {
  length.reset();
  for (const auto& [name, value] : headers) {
    if (!same_name(name, "Content-Length")) continue;
    std::uint64_t parsed = 0;
    const char* const end = value.data() + value.size();
    const auto [stop, error] = std::from_chars(value.data(), end, parsed);
    const bool whole = error == std::errc() && stop == end && parsed <= INT64_MAX;
    if (!whole || (length && *length != parsed)) {
      PyErr_Format(PyExc_ValueError, "invalid Content-Length header value: '%s'", value.c_str());
      return false;
    }
    length = parsed;
  }
  return true;
}

}  // namespace sluice::wsgi
