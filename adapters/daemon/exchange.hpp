// SPDX-License-Identifier: Apache-2.0
// The exchange of one WSGI request whose client is the server's process at the other end of a channel.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/daemon/channel.hpp"
#include "adapters/daemon/log_queue.hpp"
#include "adapters/daemon/wire.hpp"
#include "adapters/wsgi/request/exchange.hpp"
#include "bindings/host.hpp"
#include "sluice/log.hpp"

namespace sluice::daemon {

class SocketExchange final : public wsgi::Exchange {
 public:
  /// All arguments outlive the exchange.
  SocketExchange(Channel& channel, const RequestHead& head, const bindings::Host& host) noexcept
      : channel_(channel), head_(head), host_(host), arrived_(head.body) {}

  void each_variable(absl::FunctionRef<void(std::string_view, std::string_view)> add) const override;
  [[nodiscard]] bool https() const override { return head_.https; }
  [[nodiscard]] std::string_view id() const override { return head_.id; }
  [[nodiscard]] bool has_body() const override { return head_.has_body; }
  [[nodiscard]] std::uint64_t declared_length() const override;
  [[nodiscard]] absl::StatusOr<std::size_t> read(absl::Span<char> into, std::size_t least) override;
  [[nodiscard]] absl::StatusOr<std::size_t> read_arrived(absl::Span<char> into) override;
  [[nodiscard]] bool sends_body(int status) const override;
  absl::Status begin_response(const wsgi::ResponseHead& head) override;
  absl::Status write(absl::Span<const std::string_view> blocks, bool last) override;
  absl::Status send_file(const wsgi::FilePart& part) override;
  void break_off() override;
  void expect_lines_after_end() noexcept override { lines_after_end_ = true; }
  /// Goes by the levels that the server has sent with the request.
  [[nodiscard]] bool logs(LogLevel level) const noexcept override {
    return (head_.log_levels & log_level_bit(level)) != 0;
  }
  /// Sends the line to the server, whose log for the request it belongs to. Does not block: what the connection does
  /// not take at once waits for the next frame. Lines that the server cannot take any more go to the log of the
  /// process.
  void log(LogLevel level, std::string_view line) const noexcept override;

  /// Sends the lines that wait, before a frame that is not sent by this object or the end of the connection. Blocks.
  void flush_log();

  /// Returns the HTTP status for the error that ended the request body; 0 when there was none.
  [[nodiscard]] int input_error() const noexcept { return input_error_; }

 private:
  void lost(const absl::Status& status);
  [[nodiscard]] absl::Status ask(std::uint64_t least, std::uint64_t most);
  [[nodiscard]] absl::StatusOr<std::size_t> read_frame(absl::Span<char> into);
  [[nodiscard]] absl::Status read_body_error(std::uint32_t size);
  [[nodiscard]] absl::Status violation();
  void add_pending_head(FrameBatch& frames) const;
  void send_lines_at_once() const noexcept;
  void log_here(LogLevel level, std::string_view line) const noexcept;
  void log_here(const std::deque<std::string>& frames) const noexcept;
  [[nodiscard]] absl::Status send(const FrameBatch& frames);

  Channel& channel_;
  const RequestHead& head_;
  const bindings::Host& host_;
  std::string_view arrived_;  ///< The unread rest of the body that came with the head.
  std::string pending_head_;  ///< The payload of kResponse, kept until there is more to send; empty when it is sent.
  absl::Status input_broken_;
  bool ended_ = false;  ///< The server has sent the end of the body.
  int input_error_ = 0;
  mutable std::atomic<bool> gone_{false};  ///< The connection cannot be used any more. Set by the threads that read and
                                           ///< write; publishes no other data.
  mutable LogQueue lines_;
  bool lines_after_end_ = false;
  std::atomic<bool> lines_end_{false};  ///< The server takes no more lines. Publishes no other data.
};

}  // namespace sluice::daemon
