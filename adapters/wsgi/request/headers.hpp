// SPDX-License-Identifier: Apache-2.0
// The arguments of start_response(), checked against PEP 3333 and HTTP before any of them can reach a client.
#pragma once

#include <Python.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/wsgi/request/response_head.hpp"

namespace sluice::wsgi {

/// Parses the status and the headers, which is a list. Returns false with TypeError, ValueError or UnicodeEncodeError
/// set; `head` is then unchanged. Leaves hop-by-hop headers out, and stores the name of the last one in `dropped`.
[[nodiscard]] bool parse_head(PyObject* status, PyObject* headers, ResponseHead& head, std::string& dropped);

/// Stores the Content-Length among the headers, if there is one. Returns false with ValueError set when it is no
/// length, or when two headers have different values.
[[nodiscard]] bool parse_content_length(const Headers& headers, std::optional<std::uint64_t>& length);

}  // namespace sluice::wsgi
