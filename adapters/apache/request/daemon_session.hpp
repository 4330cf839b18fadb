// One request on one connection to a daemon process, on the side of the server. Nothing that arrives is trusted: the
// head of the response passes the rules for embedded applications, its body is held to the length that it promises, and
// a frame in the wrong place ends the session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/exchange.hpp"
#include "adapters/daemon/channel.hpp"

namespace sluice::apache {

class DaemonSession {
 public:
  struct Answer {
    bool again = false;  ///< The process did nothing for the request, and another one is to be asked.
    int status = OK;     ///< For Apache: OK when a response was begun, otherwise the status to answer with.
  };

  /// All outlive the session. `body_ended`: all of the body goes with the head.
  DaemonSession(request_rec* request, const char* group, ApacheExchange& exchange, daemon::Channel& channel,
                bool body_ended) noexcept
      : request_(request), group_(group), exchange_(exchange), channel_(channel), body_ended_(body_ended) {}

  /// Sends the head of the request and passes on what is answered. Errors are logged. Blocks, until the channel ends at
  /// the latest. `again_if_unread`: whether another process is to be asked when this one ends before it has read the
  /// whole head, so that it cannot have begun with the request.
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

  absl::Status pass_body(std::uint64_t least, std::uint64_t most);
  absl::Status pass_piece(std::uint64_t most, std::uint64_t& sent);
  absl::Status pass_error(const absl::Status& status);

  absl::Status write(std::string_view block, bool last);
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
  std::optional<std::uint64_t> promised_;  ///< The Content-Length of the response.
  std::uint64_t produced_ = 0;             ///< Bytes of the body of the response that were passed on.
  bool body_ended_;
  bool body_passed_ = false;  ///< A part was read from the client, so no other process can have the whole body.
  bool heard_ = false;        ///< The process has sent something, so it has read the head.
  bool begun_ = false;        ///< The response has a head.
  bool over_ = false;
};

struct Arrived {
  std::size_t size = 0;
  bool whole = false;  ///< The body ends with these bytes.
};

/// Reads the part of the request body that has arrived. An error comes out again when more is asked for.
[[nodiscard]] Arrived read_arrived_body(ApacheExchange& exchange, absl::Span<char> into);

}  // namespace sluice::apache
