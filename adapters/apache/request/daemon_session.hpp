// SPDX-License-Identifier: Apache-2.0
// One request on one connection to a daemon process, on the server's side. Nothing that arrives is trusted: the head of
// the response passes the same rules as in embedded mode, its body is limited to the announced length, and a frame in
// the wrong place ends the session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/daemon_head.hpp"
#include "adapters/apache/request/exchange.hpp"
#include "adapters/apache/request/log_budget.hpp"
#include "adapters/daemon/channel.hpp"

namespace sluice::apache {

class DaemonSession {
 public:
  struct Answer {
    bool again = false;      ///< The process has not started the request, so another process can serve it.
    bool unread = false;     ///< For `again`: the process ended before it had read the request.
    std::string redirect{};  ///< Path on this server whose response replaces that of the application; empty for none.
    int status = OK;  ///< The result for Apache: OK when a response was begun, otherwise the status to answer with.
  };

  /// All arguments outlive the session. `body_ended` tells that the head contains the whole request body.
  DaemonSession(request_rec* request, const char* group, ApacheExchange& exchange, daemon::Channel& channel,
                bool body_ended) noexcept
      : request_(request), group_(group), exchange_(exchange), channel_(channel), body_ended_(body_ended) {}

  /// Waits this long for more of a response, where a filter limits its rate, before it is sent to the client.
  void set_flush_delay(int milliseconds) noexcept { flush_delay_ms_ = milliseconds; }
  /// Limits the time that the client may take to accept a part of the response; 0 leaves it to the server.
  void set_write_limit(int seconds) noexcept { write_limit_seconds_ = seconds; }

  /// Sends the head of the request and passes on the response. Errors are logged. Blocks, at most until the end of the
  /// channel. With `again_if_unread`, asks for another attempt when the process ends before it has read the whole head,
  /// because it cannot have started the request.
  [[nodiscard]] Answer run(std::string_view head, bool again_if_unread);

 private:
  absl::Status on_frame(const daemon::Frame& frame);
  absl::Status on_read_request(const daemon::Frame& frame);
  absl::Status on_response(const daemon::Frame& frame);
  absl::Status on_data(const daemon::Frame& frame);
  absl::Status on_end();
  absl::Status on_break();
  absl::Status on_failed(const daemon::Frame& frame);
  absl::Status on_retry();
  [[nodiscard]] bool replaces(const wsgi::ResponseHead& head);
  absl::Status on_log(const daemon::Frame& frame);
  [[nodiscard]] bool answered_already(absl::Status& status);
  void read_lines_after_end();
  void read_lines_that_arrived();
  void log_dropped_lines() const;

  absl::Status pass_body(std::uint64_t least, std::uint64_t most);
  absl::Status pass_piece(std::uint64_t most, std::uint64_t& sent);
  absl::Status pass_error(const absl::Status& status);

  absl::Status write(std::string_view block, bool last);
  absl::Status written(const absl::Status& status);
  absl::Status flush_when_idle();
  [[nodiscard]] std::string_view allowed(std::string_view block) noexcept;
  [[nodiscard]] bool short_of_promise() const noexcept;
  [[nodiscard]] Answer broken(const absl::Status& status);
  void log_broken(const absl::Status& status) const;
  [[nodiscard]] Answer unread();

  request_rec* request_;
  const char* group_;
  ApacheExchange& exchange_;
  daemon::Channel& channel_;
  std::unique_ptr<char[]> piece_;
  Answer answer_;
  std::optional<std::uint64_t> promised_;  ///< The Content-Length of the response, when it has one.
  std::uint64_t produced_ = 0;             ///< Number of bytes of the response body that were passed on.
  std::size_t data_left_ = 0;              ///< Bytes of the current data frame that have not been received.
  bool body_ended_;
  bool body_passed_ =
      false;            ///< A part of the body was read from the client, so no other process can have the whole body.
  bool heard_ = false;  ///< The process has sent a byte, so it has read the head.
  bool begun_ = false;  ///< The head of the response has been passed on.
  int flush_delay_ms_ = 0;
  int write_limit_seconds_ = 0;
  bool paced_ = false;      ///< A filter limits the rate of the response.
  bool unflushed_ = false;  ///< A block has been passed on and not been sent.
  bool replaced_ = false;   ///< The server replaces the response, whose body is dropped.
  bool over_ = false;
  std::optional<BodyRange> range_;
  bool lines_follow_ = false;          ///< The response is over, and lines for the log follow.
  std::optional<daemon::Frame> next_;  ///< A frame whose header was read ahead of time.
  LogBudget log_budget_;
};

struct Arrived {
  std::size_t size = 0;
  bool whole = false;  ///< The body ends with these bytes.
};

/// Reads the part of the request body that has arrived. An error is not reported, because the next read reports it.
[[nodiscard]] Arrived read_arrived_body(ApacheExchange& exchange, absl::Span<char> into);

}  // namespace sluice::apache
