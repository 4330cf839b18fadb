// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/exchange.hpp"

#include <apr_buckets.h>
#include <http_connection.h>
#include <util_filter.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "adapters/apache/request/range_filter.hpp"
#include "adapters/apache/server/log_level.hpp"
#include "adapters/wsgi/request/head_rules.hpp"
#include "adapters/wsgi/request/merged_fields.hpp"
#include "adapters/wsgi/request/vary.hpp"

namespace sluice::apache {

namespace {

/// The number of bytes that filters are asked for at a time.
constexpr std::size_t kBrigade = 64 * 1024;
/// The number of times in a row that filters may return nothing.
constexpr int kEmptyMax = 10'000;

std::string error_text(apr_status_t status) {
  std::array<char, 256> text;
  return apr_strerror(status, text.data(), text.size());
}

/// Returns true for header fields that Apache keeps in the request itself.
bool kept_elsewhere(std::string_view name) {
  return wsgi::same_name(name, "Content-Type") || wsgi::same_name(name, "Content-Length");
}

/// Warns once in the life of a process.
void log_long_vary(const ApacheExchange& exchange) noexcept {
  static std::atomic<bool> logged{false};
  if (logged.exchange(true, std::memory_order_relaxed)) return;  // publishes no other data
  exchange.log(
      LogLevel::kWarning,
      "SLC1004: the Vary fields of a response name more than 512 bytes of request headers and are replaced with "
      "'Vary: *', by which no cache keeps the response; this is done from now on without a message. Have the "
      "application name fewer headers");
}

bool is_disconnect(apr_status_t status) {
  return APR_STATUS_IS_ECONNABORTED(status) || APR_STATUS_IS_ECONNRESET(status) || APR_STATUS_IS_EPIPE(status) ||
         APR_STATUS_IS_TIMEUP(status) || APR_STATUS_IS_EOF(status);
}

}  // namespace

void* ApacheExchange::native_request() const noexcept {
  return config_of(request_).pass_request == 1 ? request_ : nullptr;
}

bool ApacheExchange::has_body() const {
  if (apr_table_get(request_->headers_in, "Transfer-Encoding") != nullptr) return true;
  const char* const length = apr_table_get(request_->headers_in, "Content-Length");
  return length != nullptr && std::string_view(length) != "0";
}

apr_status_t ApacheExchange::read_some(apr_read_type_e blocking, absl::Span<char> into, std::size_t& size) {
  apr_bucket_brigade* const buckets = ensure_brigade(input_);
  const auto read_bytes = static_cast<apr_off_t>(std::min(into.size(), kBrigade));
  apr_status_t status = APR_SUCCESS;
  size = 0;
  // A filter that needs more input can return a brigade without data before the end.
  for (int rounds = 0; status == APR_SUCCESS && size == 0 && !input_ended_; ++rounds) {
    status = ap_get_brigade(request_->input_filters, buckets, AP_MODE_READBYTES, blocking, read_bytes);
    if (status == APR_SUCCESS && APR_BRIGADE_EMPTY(buckets)) {
      if (blocking != APR_BLOCK_READ) status = APR_EAGAIN;
      if (rounds == kEmptyMax) status = APR_EOF;
    }
    if (status == APR_SUCCESS) {
      input_ended_ = !APR_BRIGADE_EMPTY(buckets) && APR_BUCKET_IS_EOS(APR_BRIGADE_LAST(buckets));
      size = into.size();
      status = apr_brigade_flatten(buckets, into.data(), &size);
    }
    apr_brigade_cleanup(buckets);
  }
  return status;
}

/// Stores the error and returns it, because a filter that has failed may report an end the next time. Nothing can
/// follow such a body on the connection; otherwise the server would wait for the rest of it once more.
absl::Status ApacheExchange::read_error(apr_status_t status) {
  request_->connection->keepalive = AP_CONN_CLOSE;
  if (status == AP_FILTER_ERROR) {
    answered_ = true;
    return input_broken_ = absl::DataLossError("the request body is malformed or too large");
  }
  input_error_ = ap_map_http_request_error(status, HTTP_BAD_REQUEST);
  if (APR_STATUS_IS_TIMEUP(status)) {
    return input_broken_ = absl::DataLossError("the client was too slow to send the request body");
  }
  // The filter of the protocol reports the end of the connection within a body as an incomplete one.
  if (is_disconnect(status) || APR_STATUS_IS_INCOMPLETE(status) || request_->connection->aborted) {
    return input_broken_ = absl::DataLossError("the client closed the connection");
  }
  if (input_error_ == HTTP_REQUEST_ENTITY_TOO_LARGE) {
    return input_broken_ = absl::DataLossError("the request body is too large");
  }
  return input_broken_ = absl::DataLossError(error_text(status));
}

std::uint64_t ApacheExchange::declared_length() const {
  const char* const field = apr_table_get(request_->headers_in, "Content-Length");
  std::uint64_t length = 0;
  return field != nullptr && absl::SimpleAtoi(field, &length) ? length : 0;
}

absl::StatusOr<std::size_t> ApacheExchange::read(absl::Span<char> into, std::size_t least) {
  if (!input_broken_.ok()) return input_broken_;
  std::size_t size = 0;
  while (size < least) {
    std::size_t more = 0;
    const apr_status_t status = read_some(APR_BLOCK_READ, into.subspan(size), more);
    if (status != APR_SUCCESS) {
      absl::Status error = read_error(status);
      if (size != 0) break;
      return error;
    }
    if (more == 0) break;
    size += more;
  }
  return size;
}

/// Reads only when no filter but the protocol's own is present, because filters that transform a body may not support a
/// partial read. A client that waits for "100 Continue" has sent nothing.
absl::StatusOr<std::size_t> ApacheExchange::read_arrived(absl::Span<char> into) {
  const absl::Status nothing = absl::UnavailableError("");
  if (!input_broken_.ok()) return input_broken_;
  if (request_->input_filters != request_->proto_input_filters || request_->expecting_100 != 0) return nothing;
  std::size_t size = 0;
  const apr_status_t status = read_some(APR_NONBLOCK_READ, into, size);
  if (APR_STATUS_IS_EAGAIN(status)) return nothing;
  if (status != APR_SUCCESS) return read_error(status);
  return size;
}

bool ApacheExchange::sends_body(int status) const {
  return request_->header_only == 0 && status != HTTP_NO_CONTENT && status != HTTP_NOT_MODIFIED;
}

/// Adds a field in constant time, whatever the number of fields.
void ApacheExchange::add_field(std::string_view name, std::string_view value) {
  apr_pool_t* const pool = request_->pool;
  apr_table_t* const fields =
      wsgi::same_name(name, "WWW-Authenticate") ? request_->err_headers_out : request_->headers_out;
  apr_table_addn(fields, apr_pstrmemdup(pool, name.data(), name.size()),
                 apr_pstrmemdup(pool, value.data(), value.size()));
}

/// Adds fields, merged by name; with `others`, also with the fields of other modules. The search among those costs
/// little, because they are few.
void ApacheExchange::add_merged_fields(const wsgi::Headers& headers, bool others) {
  apr_table_t* const before = others ? apr_table_copy(request_->pool, request_->headers_out) : nullptr;
  for (const auto& [name, value] : wsgi::merge_fields(headers)) {
    if (kept_elsewhere(name)) continue;
    const std::string key(others ? name : std::string_view());
    if (others && !wsgi::stays_apart(name) && apr_table_get(before, key.c_str()) != nullptr) {
      apr_table_merge(request_->headers_out, key.c_str(), value.c_str());
    } else {
      add_field(name, value);
    }
  }
}

absl::Status ApacheExchange::begin_response(const wsgi::ResponseHead& head) {
  if (request_->method_number != M_GET) remove_range_filter(request_);  // HTTP defines ranges for GET alone
  request_->status = head.status;
  request_->status_line = apr_pstrdup(request_->pool, head.status_line.c_str());
  const bool others = merges_others_ && !apr_is_empty_table(request_->headers_out);
  const std::optional<wsgi::LimitedVary> limited = wsgi::limit_vary(head.headers);
  if (limited && limited->any) log_long_vary(*this);
  const wsgi::Headers& headers = limited ? limited->headers : head.headers;
  const bool merges = others || wsgi::may_need_merge(headers);
  if (merges) add_merged_fields(headers, others);
  // Apache searches its table whenever one of these two is set, so each is set once, to its last value.
  const std::string* type = nullptr;
  const std::string* length = nullptr;
  for (const auto& [name, value] : headers) {
    if (wsgi::same_name(name, "Content-Type")) type = &value;
    if (wsgi::same_name(name, "Content-Length")) length = &value;
    if (!merges && !kept_elsewhere(name)) add_field(name, value);
  }
  if (type != nullptr) ap_set_content_type(request_, apr_pstrdup(request_->pool, type->c_str()));
  if (length != nullptr)
    ap_set_content_length(request_, std::strtoll(length->c_str(), nullptr, 10));  // check_head() has parsed it
  // A later read must not send an interim "100 Continue" into the response. A client that still waits for it may send
  // its body or its next request, which cannot be distinguished, so the connection is closed. The same holds after a
  // status that clients take for an interim one.
  if (request_->expecting_100 != 0 || ap_is_HTTP_INFO(head.status)) request_->connection->keepalive = AP_CONN_CLOSE;
  request_->expecting_100 = 0;
  return absl::OkStatus();
}

apr_bucket_brigade* ApacheExchange::ensure_brigade(apr_bucket_brigade*& brigade) {
  if (brigade == nullptr) brigade = apr_brigade_create(request_->pool, request_->connection->bucket_alloc);
  return brigade;
}

absl::Status ApacheExchange::pass(ap_filter_t* filters, apr_bucket_brigade* buckets) {
  const apr_status_t status = ap_pass_brigade(filters, buckets);
  apr_brigade_cleanup(buckets);
  // The filter for ranges answers with 416 itself; nothing may follow that response, and the connection goes on.
  answered_ = answered_ || status == AP_FILTER_ERROR;
  if (request_->connection->aborted || answered_ || is_disconnect(status)) return absl::CancelledError("client gone");
  return status == APR_SUCCESS ? absl::OkStatus() : absl::InternalError(error_text(status));
}

absl::Status ApacheExchange::flush() {
  apr_bucket_brigade* const buckets = ensure_brigade(output_);
  APR_BRIGADE_INSERT_TAIL(buckets, apr_bucket_flush_create(request_->connection->bucket_alloc));
  return pass(request_->connection->output_filters, buckets);
}

/// Returns true for every block of a response to HEAD after the first, which carries the head. HTTP/1 drops such blocks
/// itself, but mod_http2 would send them.
bool ApacheExchange::drops_body() noexcept { return std::exchange(head_passed_, true) && request_->header_only != 0; }

absl::Status ApacheExchange::write(absl::Span<const std::string_view> blocks, bool last) {
  if (request_->connection->aborted || answered_) return absl::CancelledError("client gone");
  if (body_ended_) return flush();
  apr_bucket_alloc_t* const alloc = request_->connection->bucket_alloc;
  apr_bucket_brigade* const buckets = ensure_brigade(output_);
  if (drops_body() || !wsgi::status_allows_body(request_->status)) blocks = {};
  for (const std::string_view block : blocks) {
    APR_BRIGADE_INSERT_TAIL(buckets, apr_bucket_transient_create(block.data(), block.size(), alloc));
  }
  // With the end in the same brigade the server can compute the length of a short response, and ends a chunked response
  // in the same write.
  APR_BRIGADE_INSERT_TAIL(buckets, last ? apr_bucket_eos_create(alloc) : apr_bucket_flush_create(alloc));
  const absl::Status status = pass(request_->output_filters, buckets);
  return status.ok() && last ? flush() : status;
}

absl::Status ApacheExchange::write_unflushed(std::string_view block) {
  if (request_->connection->aborted || answered_) return absl::CancelledError("client gone");
  if (drops_body() || !wsgi::status_allows_body(request_->status)) return absl::OkStatus();
  apr_bucket_brigade* const buckets = ensure_brigade(output_);
  APR_BRIGADE_INSERT_TAIL(buckets,
                          apr_bucket_transient_create(block.data(), block.size(), request_->connection->bucket_alloc));
  return pass(request_->output_filters, buckets);
}

absl::Status ApacheExchange::flush_blocks() {
  apr_bucket_brigade* const buckets = ensure_brigade(output_);
  APR_BRIGADE_INSERT_TAIL(buckets, apr_bucket_flush_create(request_->connection->bucket_alloc));
  return pass(request_->output_filters, buckets);
}

bool ApacheExchange::is_paced() const noexcept {
  for (const ap_filter_t* filter = request_->output_filters; filter != nullptr; filter = filter->next) {
    if (std::string_view(filter->frec->name) == "rate_limit") return true;
  }
  return false;
}

namespace {

/// A change of the time limit of a client's socket, until the request ends.
struct TimeLimit {
  apr_socket_t* socket;
  apr_interval_time_t before;
};

apr_status_t restore_time_limit(void* data) {
  const auto* const limit = static_cast<const TimeLimit*>(data);
  return apr_socket_timeout_set(limit->socket, limit->before);
}

}  // namespace

void ApacheExchange::limit_write_time(int seconds) const {
  // The socket of an HTTP/2 connection belongs to a thread that serves all of its streams.
  if (request_->connection->master != nullptr) return;
  apr_socket_t* const socket = ap_get_conn_socket(request_->connection);
  auto* const limit = static_cast<TimeLimit*>(apr_palloc(request_->pool, sizeof(TimeLimit)));
  if (socket == nullptr || apr_socket_timeout_get(socket, &limit->before) != APR_SUCCESS) return;
  limit->socket = socket;
  if (apr_socket_timeout_set(socket, apr_time_from_sec(seconds)) != APR_SUCCESS) return;
  apr_pool_cleanup_register(request_->pool, limit, restore_time_limit, apr_pool_cleanup_null);
}

absl::Status ApacheExchange::send_file(const wsgi::FilePart& part) {
  if (request_->connection->aborted || answered_) return absl::CancelledError("client gone");
  const auto& [descriptor, offset, length, whole_body] = part;
  if (apr_table_get(request_->headers_out, "Content-Length") == nullptr) {
    ap_set_content_length(request_, static_cast<apr_off_t>(length));
  }
  if (length == 0 || drops_body() || !wsgi::status_allows_body(request_->status)) return absl::OkStatus();
  // The descriptor is duplicated, because buckets may outlive the application's.
  apr_file_t* borrowed = nullptr;
  apr_file_t* file = nullptr;
  apr_os_file_t raw = descriptor;
  apr_status_t status = apr_os_file_put(&borrowed, &raw, APR_FOPEN_READ, request_->pool);
  if (status == APR_SUCCESS) status = apr_file_dup(&file, borrowed, request_->pool);
  if (status != APR_SUCCESS) return absl::InternalError(error_text(status));
  apr_bucket_brigade* const buckets = ensure_brigade(output_);
  apr_brigade_insert_file(buckets, file, static_cast<apr_off_t>(offset), static_cast<apr_off_t>(length),
                          request_->pool);
  for (apr_bucket* bucket = APR_BRIGADE_FIRST(buckets); bucket != APR_BRIGADE_SENTINEL(buckets);
       bucket = APR_BUCKET_NEXT(bucket)) {
    apr_bucket_file_enable_mmap(bucket, 0);  // a mapped file that is cut short meanwhile would kill the process
  }
  // The filter that answers a request for a range needs the whole body at once, with its end.
  apr_bucket_alloc_t* const alloc = request_->connection->bucket_alloc;
  body_ended_ = whole_body;
  APR_BRIGADE_INSERT_TAIL(buckets, whole_body ? apr_bucket_eos_create(alloc) : apr_bucket_flush_create(alloc));
  return pass(request_->output_filters, buckets);
}

void ApacheExchange::break_off() {
  if (body_ended_) return;
  if (request_->header_only != 0 || request_->connection->aborted || answered_) return;
  apr_bucket_alloc_t* const alloc = request_->connection->bucket_alloc;
  apr_bucket_brigade* const buckets = ensure_brigade(output_);
  request_->connection->keepalive = AP_CONN_CLOSE;
  // The chunk filter omits the last chunk when it sees this error, so the client notices that the response is
  // incomplete.
  APR_BRIGADE_INSERT_TAIL(buckets, ap_bucket_error_create(HTTP_BAD_GATEWAY, nullptr, request_->pool, alloc));
  APR_BRIGADE_INSERT_TAIL(buckets, apr_bucket_eos_create(alloc));
  static_cast<void>(pass(request_->output_filters, buckets));
}

bool ApacheExchange::logs(LogLevel level) const noexcept {
  return APLOG_R_MODULE_IS_LEVEL(request_, APLOG_MODULE_INDEX, apache_level(level));
}

void ApacheExchange::log(LogLevel level, std::string_view line) const noexcept {
  ap_log_rerror(APLOG_MARK, apache_level(level), 0, request_, "%.*s", static_cast<int>(line.size()), line.data());
}

}  // namespace sluice::apache
