// What an application gives to start_response, checked against PEP 3333 and HTTP before any of it can reach the wire.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

/// False with TypeError, ValueError or UnicodeEncodeError set; `head` is untouched then.
[[nodiscard]] bool parse_head(PyObject* status, PyObject* headers, ResponseHead& head);

/// The Content-Length among the headers, if there is one. False with ValueError set if it is no length, or given twice
/// with different values.
[[nodiscard]] bool parse_content_length(const Headers& headers, std::optional<std::uint64_t>& length);

}  // namespace sluice::wsgi
