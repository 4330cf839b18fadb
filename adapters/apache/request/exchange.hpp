// SPDX-License-Identifier: Apache-2.0
// The exchange of one WSGI request whose client is the client of an Apache request.
#pragma once

#include <cstdint>

#include "adapters/apache/request/variables.hpp"
#include "adapters/apache/server/server.hpp"
#include "adapters/wsgi/request/exchange.hpp"

namespace sluice::apache {

class ApacheExchange final : public wsgi::Exchange {
 public:
  explicit ApacheExchange(request_rec* request) noexcept : request_(request) {}

  void each_variable(absl::FunctionRef<void(std::string_view, std::string_view)> add) const override {
    each_variable_of(request_, add);
    if (authorization_ != nullptr) add("HTTP_AUTHORIZATION", authorization_);
  }
  [[nodiscard]] bool https() const override { return is_https(request_); }
  [[nodiscard]] std::string_view id() const override {
    return request_->log_id != nullptr ? request_->log_id : std::string_view();
  }
  [[nodiscard]] bool has_body() const override;
  [[nodiscard]] std::uint64_t declared_length() const override;
  [[nodiscard]] absl::StatusOr<std::size_t> read(absl::Span<char> into, std::size_t least) override;
  [[nodiscard]] absl::StatusOr<std::size_t> read_arrived(absl::Span<char> into) override;
  [[nodiscard]] bool sends_body(int status) const override;
  absl::Status begin_response(const wsgi::ResponseHead& head) override;
  absl::Status write(absl::Span<const std::string_view> blocks, bool last) override;
  absl::Status send_file(const wsgi::FilePart& part) override;
  void break_off() override;
  /// Passes on a block like write(), but leaves it to the server when to send it.
  absl::Status write_unflushed(std::string_view block);
  [[nodiscard]] bool logs(LogLevel level) const noexcept override;
  void log(LogLevel level, std::string_view line) const noexcept override;

  [[nodiscard]] void* native_request() const noexcept override;

  /// Sends the blocks that write_unflushed() has passed on.
  [[nodiscard]] absl::Status flush_blocks();

  /// Whether a filter limits the rate of the response, which needs large blocks.
  [[nodiscard]] bool is_paced() const noexcept;

  /// Limits the time that the client may take to accept a part of the response. Lasts as long as the connection serves
  /// this request. Without effect on a stream of HTTP/2, whose time the server limits.
  void limit_write_time(int seconds) const;

  /// Merges response fields also with those of the same name that other modules have set, as mod_wsgi does for its
  /// daemon processes.
  void merge_with_other_fields() noexcept { merges_others_ = true; }

  /// Gives the application the Authorization field of the client; null gives none. It is no variable of the request,
  /// because those are passed on to requests that the server makes from this one.
  void pass_authorization(const char* value) noexcept { authorization_ = value; }

  /// Returns the HTTP status for the error that ended the request body; 0 when there was none.
  [[nodiscard]] int input_error() const noexcept { return input_error_; }

  /// Returns what the handler has to return to the server for a request that ended with `status`: after a filter of the
  /// server has responded itself, a second response must not follow.
  [[nodiscard]] int result(int status) const noexcept { return answered_ ? AP_FILTER_ERROR : status; }

 private:
  void add_field(std::string_view name, std::string_view value);
  void add_merged_fields(const wsgi::Headers& headers, bool others);
  [[nodiscard]] apr_status_t read_some(apr_read_type_e blocking, absl::Span<char> into, std::size_t& size);
  [[nodiscard]] absl::Status read_error(apr_status_t status);
  [[nodiscard]] apr_bucket_brigade* ensure_brigade(apr_bucket_brigade*& brigade);
  [[nodiscard]] absl::Status pass(ap_filter_t* filters, apr_bucket_brigade* buckets);
  [[nodiscard]] absl::Status flush();
  [[nodiscard]] bool drops_body() noexcept;

  request_rec* request_;
  const char* authorization_ = nullptr;
  apr_bucket_brigade* input_ = nullptr;  ///< Both brigades are empty between calls.
  apr_bucket_brigade* output_ = nullptr;
  absl::Status input_broken_;
  bool input_ended_ = false;
  int input_error_ = 0;
  bool merges_others_ = false;
  bool head_passed_ = false;
  bool body_ended_ = false;  ///< The end of the response has been passed on with a file.
  bool answered_ = false;    ///< A filter of the server has responded itself, as to an invalid request body.
};

}  // namespace sluice::apache
