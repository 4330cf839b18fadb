// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/exchange_stand_in.hpp"

#include <algorithm>

#include "adapters/apache/request/exchange.hpp"
#include "adapters/daemon/wire.hpp"
#include "adapters/wsgi/request/head_rules.hpp"
#include "tests/fuzz/input.hpp"

module_struct AP_MODULE_DECLARE_DATA wsgi_module = {};

namespace sluice::fuzz {

ExchangeRecord& exchange_record() noexcept {
  static ExchangeRecord record;
  return record;
}

}  // namespace sluice::fuzz

namespace sluice::apache {

using fuzz::exchange_record;
using fuzz::ExchangeRecord;
using fuzz::require;

void each_variable_of(const request_rec*, absl::FunctionRef<void(std::string_view, std::string_view)>) {}
bool is_https(const request_rec*) { return false; }
absl::Status ApacheExchange::write_unflushed(std::string_view block) { return write({&block, 1}, false); }
absl::Status ApacheExchange::flush_blocks() { return absl::OkStatus(); }
bool ApacheExchange::is_paced() const noexcept { return false; }
void ApacheExchange::limit_write_time(int) const {}
void* ApacheExchange::native_request() const noexcept { return nullptr; }
bool ApacheExchange::has_body() const { return !exchange_record().body.empty(); }
std::uint64_t ApacheExchange::declared_length() const { return 0; }

absl::StatusOr<std::size_t> ApacheExchange::read(absl::Span<char> into, std::size_t) {
  ExchangeRecord& record = exchange_record();
  if (record.body.empty() && record.body_breaks) {
    input_error_ = HTTP_BAD_REQUEST;
    return absl::DataLossError("the request body is malformed");
  }
  const std::size_t size = std::min(into.size(), record.body.size());
  std::copy_n(record.body.begin(), size, into.begin());
  record.body.erase(0, size);
  return size;
}

absl::StatusOr<std::size_t> ApacheExchange::read_arrived(absl::Span<char>) { return absl::UnavailableError(""); }

bool ApacheExchange::sends_body(int status) const {
  return request_->header_only == 0 && wsgi::status_allows_body(status);
}

absl::Status ApacheExchange::begin_response(const wsgi::ResponseHead& head) {
  require(!exchange_record().head.has_value(), "a response has one head");
  exchange_record().head = head;
  request_->status = head.status;
  return absl::OkStatus();
}

absl::Status ApacheExchange::write(absl::Span<const std::string_view> blocks, bool last) {
  ExchangeRecord& record = exchange_record();
  require(record.head.has_value(), "a body follows its head");
  require(!record.ended && !record.broken && !record.lost, "nothing follows the end of a response");
  if (record.writes_until_gone-- == 0) {
    record.lost = true;
    return absl::CancelledError("client gone");
  }
  for (const std::string_view block : blocks) record.written += block;
  record.ended = last;
  return absl::OkStatus();
}

absl::Status ApacheExchange::send_file(const wsgi::FilePart&) {
  require(false, "a session sends no file");
  return absl::OkStatus();
}

void ApacheExchange::break_off() {
  ExchangeRecord& record = exchange_record();
  require(record.head.has_value() && !record.ended, "only a response that was begun and has not ended breaks off");
  record.broken = true;
}

bool ApacheExchange::logs(LogLevel) const noexcept { return true; }
void ApacheExchange::log(LogLevel level, std::string_view line) const noexcept {
  require(level <= LogLevel::kCritical, "a line has a level");
  require(line.size() <= daemon::kLogTextMax, "a line is no longer than a frame allows");
  ++exchange_record().lines;
}

}  // namespace sluice::apache

extern "C" {
void ap_remove_output_filter(ap_filter_t*) {}
int ap_discard_request_body(request_rec*) { return OK; }
void ap_internal_redirect_handler(const char*, request_rec*) {}
}

extern "C" void ap_log_rerror_(const char*, int, int, int, apr_status_t, const request_rec*, const char*, ...) {
  ++sluice::fuzz::exchange_record().log_lines;
}
