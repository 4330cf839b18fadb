// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/daemon_session.hpp"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "adapters/daemon/wire.hpp"
#include "adapters/wsgi/request/head_rules.hpp"

namespace sluice::apache {

using daemon::Frame;
using daemon::FrameType;

namespace {

absl::Status violation(std::string_view what) { return absl::DataLossError({what.data(), what.size()}); }

/// The status for an error of the connection to the client, which the daemon process has not caused.
absl::Status client_lost() { return absl::AbortedError("client gone"); }

absl::Status violation_of(const wsgi::HeadViolation& broken) {
  constexpr std::size_t kShown = 200;
  return violation(absl::StrCat("the head of its response is not valid: ", broken.rule, ": ",
                                std::string(broken.text.substr(0, kShown))));
}

}  // namespace

Arrived read_arrived_body(ApacheExchange& exchange, absl::Span<char> into) {
  Arrived arrived;
  while (arrived.size < into.size()) {
    const absl::StatusOr<std::size_t> more = exchange.read_arrived(into.subspan(arrived.size));
    if (!more.ok()) break;
    arrived.whole = *more == 0;
    if (arrived.whole) break;
    arrived.size += *more;
  }
  return arrived;
}

DaemonSession::Answer DaemonSession::run(std::string_view head, bool again_if_unread) {
  absl::Status status = channel_.send(FrameType::kRequest, head);
  if (again_if_unread && absl::IsCancelled(status)) return unread();
  while (status.ok() && !over_) {
    if (status = flush_when_idle(); !status.ok()) break;
    const absl::StatusOr<Frame> frame = next_ ? absl::StatusOr<Frame>(*next_) : channel_.next();
    next_.reset();
    heard_ = heard_ || frame.ok() || channel_.buffered() != 0;
    status = frame.ok() ? on_frame(*frame) : frame.status();
  }
  if (status.ok() && lines_follow_) read_lines_after_end();
  if (absl::IsAborted(status)) read_lines_that_arrived();
  log_dropped_lines();
  if (again_if_unread && !heard_ && channel_.left_unread()) return unread();
  return status.ok() ? answer_ : broken(status);
}

/// Asks for another attempt, because a process that has not read the whole head has not started the request.
DaemonSession::Answer DaemonSession::unread() {
  ap_log_rerror(
      APLOG_MARK, APLOG_INFO, 0, request_,
      "SLC0410: daemon process '%s' ended before it had read the request; the request is sent to another process",
      group_);
  return {.again = true, .unread = true};
}

absl::Status DaemonSession::on_frame(const Frame& frame) {
  switch (frame.type) {
    case FrameType::kReadRequest:
      return on_read_request(frame);
    case FrameType::kResponse:
      return on_response(frame);
    case FrameType::kData:
      return on_data(frame);
    case FrameType::kEnd:
      return on_end();
    case FrameType::kBreak:
      return on_break();
    case FrameType::kFailed:
      return on_failed(frame);
    case FrameType::kRetry:
      return on_retry();
    case FrameType::kLog:
      return on_log(frame);
    case FrameType::kEndBeforeLog:
      lines_follow_ = true;
      return on_end();
    default:
      return violation("a frame that only the server sends");
  }
}

// The body of the request.

absl::Status DaemonSession::on_read_request(const Frame& frame) {
  const absl::StatusOr<std::string> payload = channel_.read(frame.size);
  if (!payload.ok()) return payload.status();
  daemon::ReadRequest range;
  if (!daemon::decode(*payload, range)) return violation("it asks for no part of the request body");
  if (body_ended_) return violation("it asks for more than the request body");
  const absl::Status status = pass_body(range.least, range.most);
  // After Cancelled, frames that the daemon sent before it ended can still be read.
  return absl::IsCancelled(status) ? absl::OkStatus() : status;
}

absl::Status DaemonSession::pass_body(std::uint64_t least, std::uint64_t most) {
  std::uint64_t sent = 0;
  while (!body_ended_ && sent < least) {
    if (channel_.ended()) return absl::DeadlineExceededError("timeout");
    const std::uint64_t before = sent;
    if (absl::Status status = pass_piece(most - sent, sent); !status.ok()) return status;
    if (sent == before) return absl::OkStatus();
  }
  return absl::OkStatus();
}

/// Sends one piece of the body, its end, or the reason why the rest cannot be read. Adds 0 to `sent` when nothing
/// follows.
absl::Status DaemonSession::pass_piece(std::uint64_t most, std::uint64_t& sent) {
  if (piece_ == nullptr) piece_ = std::make_unique_for_overwrite<char[]>(daemon::kPieceMax);
  const absl::Span<char> piece(piece_.get(), std::min<std::uint64_t>(most, daemon::kPieceMax));
  const absl::StatusOr<std::size_t> size = exchange_.read(piece, 1);
  if (!size.ok()) return pass_error(size.status());
  const std::size_t more = *size == 0 ? 0 : read_arrived_body(exchange_, piece.subspan(*size)).size;
  // The piece has been read from the client, so no other process can have the whole body any more.
  body_ended_ = *size == 0;
  body_passed_ = true;
  absl::Status status;
  if (answered_already(status)) return status;
  sent += *size + more;
  return channel_.send(FrameType::kBody, {piece_.get(), *size + more});
}

/// Returns true when the rest of the body has become useless: the daemon sends nothing but lines for the log while it
/// waits for the body, so any other frame means that it has answered. Passes on the lines that have arrived. Stores the
/// error of the connection, if there is one.
bool DaemonSession::answered_already(absl::Status& status) {
  while (channel_.readable()) {
    const absl::StatusOr<Frame> frame = channel_.next();
    status = frame.status();
    if (!frame.ok()) return true;
    if (frame->type != FrameType::kLog) {
      next_ = *frame;
      return true;
    }
    status = on_log(*frame);
    if (!status.ok()) return true;
  }
  return false;
}

absl::Status DaemonSession::pass_error(const absl::Status& status) {
  body_ended_ = true;
  const absl::string_view why = status.message();
  const auto code = static_cast<std::uint32_t>(exchange_.input_error());
  const bool sendable = code == 0 || daemon::is_failure_status(code);
  return channel_.send(
      FrameType::kBodyError,
      daemon::encode(daemon::BodyError{.status = sendable ? code : static_cast<std::uint32_t>(HTTP_BAD_REQUEST),
                                       .reason = {why.data(), why.size()}}));
}

// The response.

absl::Status DaemonSession::on_response(const Frame& frame) {
  if (begun_) return violation("a second head of its response");
  const absl::StatusOr<std::string> payload = channel_.read(frame.size);
  if (!payload.ok()) return payload.status();
  wsgi::ResponseHead head;
  if (!daemon::decode(*payload, head)) return violation("the head of its response cannot be decoded");
  if (const wsgi::HeadCheck check = wsgi::check_head(head, promised_)) return violation_of(*check);
  apply_status_field(head);
  begun_ = true;
  if (const std::string* const path = internal_redirect(head);
      path != nullptr && path->size() > static_cast<std::size_t>(request_->server->limit_req_line)) {
    return violation("an internal redirect that is longer than LimitRequestLine");
  }
  replaced_ = replaces(head);
  if (replaced_) return absl::OkStatus();
  range_ = BodyRange::apply(request_, head, promised_);
  paced_ = flush_delay_ms_ > 0 && exchange_.is_paced();
  if (write_limit_seconds_ > 0) exchange_.limit_write_time(write_limit_seconds_);
  return exchange_.begin_response(head);
}

/// Returns true when the client gets another response of the server than that of the application.
bool DaemonSession::replaces(const wsgi::ResponseHead& head) {
  if (const std::string* const path = internal_redirect(head)) {
    answer_.redirect = *path;
    return true;
  }
  if (!ap_is_HTTP_ERROR(head.status) || config_of(request_).error_override != 1) return false;
  keep_error_fields(request_, head);
  answer_.status = head.status;
  return true;
}

absl::Status DaemonSession::on_data(const Frame& frame) {
  if (!begun_) return violation("a body without the head of its response");
  data_left_ = frame.size;
  while (data_left_ > 0 && !over_) {
    if (absl::Status status = flush_when_idle(); !status.ok()) return status;
    const absl::StatusOr<std::string_view> part = channel_.some(data_left_);
    if (!part.ok()) return part.status();
    data_left_ -= part->size();
    const std::string_view block = allowed(*part);
    const bool excess = block.size() < part->size() && promised_ && produced_ == *promised_;
    // An end frame that has already arrived is sent in the same write. No byte may follow it.
    const bool last = data_left_ == 0 && !excess && !short_of_promise() && channel_.take_if(FrameType::kEnd);
    const bool clean = !last || channel_.buffered() == 0;
    over_ = last;
    const std::string_view in_range = range_ ? range_->cut(block, produced_ - block.size()) : block;
    if (absl::Status status = write(in_range, last && clean); !status.ok()) return status;
    if (excess) return violation("a body longer than its Content-Length");
    if (!clean) return violation("bytes after the end of its response");
  }
  return absl::OkStatus();
}

/// Returns the part of a block that fits the announced length. A client would take the rest for the next response.
std::string_view DaemonSession::allowed(std::string_view block) noexcept {
  if (promised_) block = block.substr(0, *promised_ - std::min(*promised_, produced_));
  produced_ += block.size();
  return block;
}

bool DaemonSession::short_of_promise() const noexcept {
  return promised_ && produced_ < *promised_ && exchange_.sends_body(request_->status);
}

absl::Status DaemonSession::write(std::string_view block, bool last) {
  if ((block.empty() && !last) || replaced_) return absl::OkStatus();
  unflushed_ = paced_ && !last;
  return written(unflushed_ ? exchange_.write_unflushed(block)
                            : exchange_.write({&block, block.empty() ? 0U : 1U}, last));
}

/// Sends what was passed on, unless more arrives at once. Each flush makes a filter that limits the rate send a block
/// that is shorter than what the rate allows.
absl::Status DaemonSession::flush_when_idle() {
  if (!unflushed_ || channel_.readable_within(flush_delay_ms_)) return absl::OkStatus();
  unflushed_ = false;
  return written(exchange_.flush_blocks());
}

/// Ends the session when a write to the client has failed.
absl::Status DaemonSession::written(const absl::Status& status) {
  if (status.ok()) return status;
  over_ = true;
  if (absl::IsCancelled(status)) return client_lost();
  // The application does not hear of it, because its process may have sent everything by now.
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                "SLC1005: a filter of the server failed on the response of daemon process '%s': %s; the response was "
                "broken off: %s",
                group_, std::string(status.message()).c_str(), request_->filename);
  exchange_.break_off();
  return client_lost();
}

absl::Status DaemonSession::on_end() {
  if (!begun_) return violation("an end without the head of its response");
  if (channel_.buffered() != 0 && !lines_follow_) return violation("bytes after the end of its response");
  if (short_of_promise()) return violation("a body shorter than its Content-Length");
  over_ = true;
  return write({}, true);
}

absl::Status DaemonSession::on_break() {
  if (!begun_) return violation("a break without the head of its response");
  over_ = true;
  lines_follow_ = true;
  if (!replaced_) exchange_.break_off();
  return absl::OkStatus();
}

absl::Status DaemonSession::on_failed(const Frame& frame) {
  if (begun_) return violation("a failure after the head of its response");
  const absl::StatusOr<std::string> payload = channel_.read(frame.size);
  if (!payload.ok()) return payload.status();
  std::uint32_t status = 0;
  if (!daemon::decode_failure(*payload, status)) return violation("a failure with a status that none has");
  if (channel_.buffered() != 0) return violation("bytes after a failure");
  over_ = true;
  answer_.status = static_cast<int>(status);
  return absl::OkStatus();
}

absl::Status DaemonSession::on_retry() {
  if (begun_ || body_passed_) return violation("a request that was begun is given back");
  if (channel_.buffered() != 0) return violation("bytes after a request was given back");
  over_ = true;
  answer_.again = true;
  return absl::OkStatus();
}

// Lines for the log.

absl::Status DaemonSession::on_log(const Frame& frame) {
  const absl::StatusOr<std::string> payload = channel_.read(frame.size);
  if (!payload.ok()) return payload.status();
  daemon::LogLine line;
  if (!daemon::decode(*payload, line)) return violation("a line for the log that cannot be decoded");
  // Lines that the log does not take leave the budget to those that it takes.
  if (exchange_.logs(line.level) && log_budget_.allows(line.text.size())) exchange_.log(line.level, line.text);
  return absl::OkStatus();
}

/// Passes on the lines that follow the end of a response, until the daemon process closes the connection.
void DaemonSession::read_lines_after_end() {
  absl::Status status;
  while (status.ok()) {
    const absl::StatusOr<Frame> frame = channel_.next();
    status = frame.status();
    if (!frame.ok()) break;
    status = frame->type == FrameType::kLog ? on_log(*frame) : violation("a frame after the end of its response");
  }
  if (!absl::IsDataLoss(status)) return;
  ap_log_rerror(
      APLOG_MARK, APLOG_ERR, 0, request_,
      "SLC1001: protocol violation by daemon process '%s': %s; the response is not affected, and no more lines "
      "of the request are logged; look for code of the application that writes to descriptors of the server",
      group_, std::string(status.message()).c_str());
}

/// Passes on the lines that the daemon process has sent before it could notice that the client is gone. It logs later
/// lines itself.
void DaemonSession::read_lines_that_arrived() {
  channel_.refuse_more();
  for (std::size_t left = data_left_;;) {
    while (left > 0) {
      const absl::StatusOr<std::string_view> part = channel_.some(left);
      if (!part.ok()) return;
      left -= part->size();
    }
    const absl::StatusOr<Frame> frame = channel_.next();
    if (!frame.ok() || (frame->type == FrameType::kLog && !on_log(*frame).ok())) return;
    left = frame->type == FrameType::kLog ? 0 : frame->size;
  }
}

void DaemonSession::log_dropped_lines() const {
  const std::uint64_t dropped = log_budget_.dropped();
  if (dropped == 0) return;
  ap_log_rerror(
      APLOG_MARK, APLOG_WARNING, 0, request_,
      "SLC1002: %lu line(s) of daemon process '%s' for this request were dropped, because it may log %lu MiB, "
      "and %lu MiB a second from then on; have the application log less",
      static_cast<unsigned long>(dropped), group_, static_cast<unsigned long>(LogBudget::kBurstBytes >> 20U),
      static_cast<unsigned long>(LogBudget::kBytesPerSecond >> 20U));
}

/// Ends the session after the daemon process has died, has exceeded its time, or has violated the protocol.
DaemonSession::Answer DaemonSession::broken(const absl::Status& status) {
  if (absl::IsAborted(status)) return {};  // the client is gone
  log_broken(status);
  if (begun_ && !replaced_) {
    exchange_.break_off();
    return {};
  }
  return {.again = false, .status = absl::IsDeadlineExceeded(status) ? HTTP_GATEWAY_TIME_OUT : HTTP_BAD_GATEWAY};
}

void DaemonSession::log_broken(const absl::Status& status) const {
  const std::string reason(status.message());
  const char* const file = request_->filename;
  const char* const consequence =
      begun_ && !replaced_ ? "the response was broken off" : "the request was answered with 502";
  if (absl::IsDataLoss(status)) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_, "SLC0411: protocol violation by daemon process '%s': %s; %s: %s",
                  group_, reason.c_str(), consequence, file);
  } else if (absl::IsDeadlineExceeded(status)) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                  "SLC0412: timeout when reading the response of daemon process '%s'; %s: %s", group_,
                  begun_ ? consequence : "the request was answered with 504", file);
  } else if (begun_) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                  "SLC0413: truncated response received from daemon process '%s': %s; %s: %s", group_, reason.c_str(),
                  consequence, file);
  } else {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                  "SLC0414: truncated or oversized response headers received from daemon process '%s': %s; %s: %s",
                  group_, reason.c_str(), consequence, file);
  }
}

}  // namespace sluice::apache
