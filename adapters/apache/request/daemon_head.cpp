// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/daemon_head.hpp"

#include <http_request.h>
#include <util_filter.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "adapters/apache/request/range_filter.hpp"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::apache {
namespace {

auto find_header(wsgi::Headers& headers, std::string_view name) {
  return std::find_if(headers.begin(), headers.end(),
                      [&](const auto& field) { return wsgi::same_name(field.first, name); });
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, failure] = std::from_chars(text.data(), end, value);
  return failure == std::errc() && stop == end ? std::optional(value) : std::nullopt;
}

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// Parses the value of Range. Ends where it begins when the value is not one satisfiable range, which a server may
/// ignore.
Range parse_range(std::string_view value, std::uint64_t length) {
  constexpr std::string_view kUnit = "bytes=";
  if (!value.starts_with(kUnit)) return {};
  value.remove_prefix(kUnit.size());
  const std::size_t dash = value.find('-');
  if (dash == std::string_view::npos) return {};
  const std::optional<std::uint64_t> first = number(value.substr(0, dash));
  const std::optional<std::uint64_t> last = number(value.substr(dash + 1));
  if (dash == 0) {
    if (!last || *last == 0 || length == 0) return {};
    return Range{length - std::min(length, *last), length};
  }
  const bool open = dash + 1 == value.size();
  if (!first || *first >= length || (!open && (!last || *last < *first))) return {};
  return Range{*first, open ? length : std::min(length - 1, *last) + 1};
}

}  // namespace

void apply_status_field(wsgi::ResponseHead& head) {
  const auto field = find_header(head.headers, "Status");
  int status = 0;
  if (field == head.headers.end() || wsgi::check_status_line(field->second, status)) return;
  head.status = status;
  head.status_line = field->second;
  head.headers.erase(field);
}

const std::string* internal_redirect(const wsgi::ResponseHead& head) {
  if (head.status != HTTP_OK) return nullptr;
  for (const auto& [name, value] : head.headers) {
    if (wsgi::same_name(name, "Location")) return value.starts_with('/') ? &value : nullptr;
  }
  return nullptr;
}

void redirect(request_rec* request, const std::string& path) {
  // Unread bytes of the body would be parsed as the next request of the connection.
  if (const int status = ap_discard_request_body(request); status != OK) {
    request->connection->keepalive = AP_CONN_CLOSE;
  }
  for (const char* const name : {"Content-Length", "Transfer-Encoding"}) apr_table_unset(request->headers_in, name);
  request->method = "GET";
  request->method_number = M_GET;
  ap_internal_redirect_handler(apr_pstrdup(request->pool, path.c_str()), request);
}

void keep_error_fields(request_rec* request, const wsgi::ResponseHead& head) {
  for (const auto& [name, value] : head.headers) {
    if (!wsgi::same_name(name, "WWW-Authenticate") && !wsgi::same_name(name, "Set-Cookie")) continue;
    apr_table_add(request->err_headers_out, name.c_str(), value.c_str());
  }
}

std::optional<BodyRange> BodyRange::apply(request_rec* request, wsgi::ResponseHead& head,
                                          std::optional<std::uint64_t> length) {
  const char* const value = apr_table_get(request->headers_in, "Range");
  if (value == nullptr || head.status != HTTP_OK) return std::nullopt;
  // A filter that changes the body needs the whole of it.
  const bool unchanged = request->output_filters->frec->ftype >= AP_FTYPE_PROTOCOL;
  const bool plain = request->method_number == M_GET && request->header_only == 0 &&
                     apr_table_get(request->headers_in, "If-Range") == nullptr;
  const Range range = length && unchanged && plain ? parse_range(value, *length) : Range{};
  remove_range_filter(request);  // its result depends on the pieces in which the body arrives
  if (range.begin == range.end) return std::nullopt;
  head.status = HTTP_PARTIAL_CONTENT;
  head.status_line = "206 Partial Content";
  find_header(head.headers, "Content-Length")->second = std::to_string(range.end - range.begin);
  const auto is_length = [](const auto& field) { return wsgi::same_name(field.first, "Content-Length"); };
  head.headers.erase(std::remove_if(find_header(head.headers, "Content-Length") + 1, head.headers.end(), is_length),
                     head.headers.end());
  head.headers.emplace_back("Content-Range", absl::StrCat("bytes ", range.begin, "-", range.end - 1, "/", *length));
  return BodyRange(range.begin, range.end);
}

std::string_view BodyRange::cut(std::string_view block, std::uint64_t at) const noexcept {
  const std::uint64_t begin = std::clamp(begin_, at, at + block.size());
  const std::uint64_t end = std::clamp(end_, begin, at + block.size());
  return block.substr(begin - at, end - begin);
}

}  // namespace sluice::apache
