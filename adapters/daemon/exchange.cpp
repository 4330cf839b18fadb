// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/exchange.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "adapters/wsgi/python/forked_copy.hpp"

namespace sluice::daemon {
namespace {

constexpr int kBadRequest = 400;

}  // namespace

void SocketExchange::each_variable(absl::FunctionRef<void(std::string_view, std::string_view)> add) const {
  for (const auto& [key, value] : head_.variables) add(key, value);
}

bool SocketExchange::sends_body(int status) const { return !head_.head_only && status != 204 && status != 304; }

absl::StatusOr<std::size_t> SocketExchange::read_arrived(absl::Span<char> into) {
  if (arrived_.empty() && !head_.body_whole) return absl::UnavailableError("");
  const std::size_t size = std::min(into.size(), arrived_.size());
  std::memcpy(into.data(), arrived_.data(), size);
  arrived_.remove_prefix(size);
  return size;
}

std::uint64_t SocketExchange::declared_length() const {
  for (const auto& [key, value] : head_.variables) {
    std::uint64_t length = 0;
    if (key == "CONTENT_LENGTH") return absl::SimpleAtoi({value.data(), value.size()}, &length) ? length : 0;
  }
  return 0;
}

absl::StatusOr<std::size_t> SocketExchange::read(absl::Span<char> into, std::size_t least) {
  std::size_t size = 0;
  if (const absl::StatusOr<std::size_t> arrived = read_arrived(into); arrived.ok()) {
    size = *arrived;
    if (size >= least || head_.body_whole) return size;
  }
  if (input_broken_.ok() && !ended_) lost(ask(least - size, into.size() - size));
  while (size < least && input_broken_.ok() && !ended_) {
    const absl::StatusOr<std::size_t> more = read_frame(into.subspan(size));
    lost(more.status());
    ended_ = more.ok() && *more == 0;
    size += more.value_or(0);
  }
  if (size == 0 && !input_broken_.ok()) return input_broken_;
  return size;
}

void SocketExchange::lost(const absl::Status& status) {
  if (status.ok()) return;
  if (input_error_ == 0) input_error_ = kBadRequest;
  const bool closed = absl::IsCancelled(status);
  gone_ = gone_ || closed;
  input_broken_ = absl::DataLossError(closed ? "the client closed the connection" : status.message());
}

absl::Status SocketExchange::ask(std::uint64_t least, std::uint64_t most) {
  flush_log();
  if (gone_) return absl::CancelledError("client gone");
  return channel_.send(FrameType::kReadRequest, encode(ReadRequest{.least = least, .most = most}));
}

/// Marks the connection as unusable, because its other end has violated the protocol.
absl::Status SocketExchange::violation() {
  gone_ = true;
  return absl::DataLossError("the server sent something else than the body");
}

absl::StatusOr<std::size_t> SocketExchange::read_frame(absl::Span<char> into) {
  const absl::StatusOr<Frame> frame = channel_.next();
  if (!frame.ok()) return absl::IsDataLoss(frame.status()) ? violation() : frame.status();
  if (frame->type == FrameType::kBodyError) return read_body_error(frame->size);
  if (frame->type != FrameType::kBody || frame->size > into.size()) return violation();
  if (absl::Status status = channel_.read(into.subspan(0, frame->size)); !status.ok()) return status;
  return frame->size;
}

absl::Status SocketExchange::read_body_error(std::uint32_t size) {
  const absl::StatusOr<std::string> payload = channel_.read(size);
  if (!payload.ok()) return payload.status();
  BodyError error;
  if (!decode(*payload, error)) return violation();
  input_error_ = static_cast<int>(error.status);
  return absl::DataLossError({error.reason.data(), error.reason.size()});
}

absl::Status SocketExchange::begin_response(const wsgi::ResponseHead& head) {
  std::optional<std::string> payload = encode(head);
  if (!payload) return absl::ResourceExhaustedError("the head of the response is too large");
  pending_head_ = *std::move(payload);
  return absl::OkStatus();
}

absl::Status SocketExchange::write(absl::Span<const std::string_view> blocks, bool last) {
  if (gone_) return absl::CancelledError("client gone");
  std::size_t size = 0;
  for (const std::string_view block : blocks) size += block.size();
  // Blocks that do not fit one frame are sent one after the other, in parts.
  if (size > kDataMax) {
    for (std::string_view block : blocks) {
      while (!block.empty()) {
        const std::string_view part = block.substr(0, kDataMax);
        if (absl::Status status = write({&part, 1}, false); !status.ok()) return status;
        block.remove_prefix(part.size());
      }
    }
    return last ? write({}, true) : absl::OkStatus();
  }
  FrameBatch frames;
  add_pending_head(frames);
  if (size != 0) frames.add(FrameType::kData, blocks);
  if (!last) return send(frames);
  // This thread may have locked the exchange, so the lines are only queued.
  if (wsgi::UnfinishedLines* const lines = unfinished_lines()) {
    lines->flush([this](std::string_view line) { lines_.add(LogLevel::kError, line); });
  }
  frames.add(lines_after_end_ ? FrameType::kEndBeforeLog : FrameType::kEnd);
  absl::Status status = send(frames);
  lines_end_ = !lines_after_end_;
  return status;
}

void SocketExchange::add_pending_head(FrameBatch& frames) const {
  if (!pending_head_.empty()) frames.add(FrameType::kResponse, pending_head_);
}

/// Sends frames that begin with the head of the response, if that is pending.
absl::Status SocketExchange::send(const FrameBatch& frames) {
  flush_log();
  // After a part of a frame nothing may follow.
  if (gone_) return absl::CancelledError("client gone");
  absl::Status status = channel_.send(frames);
  pending_head_.clear();
  gone_ = !status.ok();
  return status;
}

absl::Status SocketExchange::send_file(const wsgi::FilePart& file) {
  if (gone_) return absl::CancelledError("client gone");
  auto [descriptor, offset, length, whole_body] = file;
  while (length > 0) {
    const std::uint64_t part = std::min<std::uint64_t>(length, kDataMax);
    FrameBatch frames;
    add_pending_head(frames);
    frames.add_header(FrameType::kData, part);
    absl::Status status = send(frames);
    if (status.ok()) status = channel_.send_file(descriptor, offset, part);
    // The header has announced more bytes, so nothing can follow on this connection.
    gone_ = !status.ok();
    if (gone_) return absl::IsDataLoss(status) ? absl::InternalError(status.message()) : status;
    offset += part;
    length -= part;
  }
  return absl::OkStatus();
}

void SocketExchange::flush_log() {
  if (!lines_.waiting()) return;
  const std::deque<std::string> frames = lines_.take(true);
  const std::string all = absl::StrJoin(frames, "");
  if (!gone_ && channel_.send_encoded(all).ok()) return;
  gone_ = true;
  log_here(frames);
}

/// Sends the queued lines, unless another thread is sending or reading; the next frame of either thread then takes them
/// along. Waiting for the other thread could deadlock, because it may wait for the GIL, which the caller may hold. The
/// caller has not locked the exchange, because a thread that has locked it runs no code that logs.
void SocketExchange::send_lines_at_once() const noexcept {
  const std::unique_lock lock(io_mutex(), std::try_to_lock);
  if (!lock.owns_lock()) return;
  std::deque<std::string> frames = lines_.take(false);
  auto next = frames.begin();
  for (; next != frames.end(); ++next) {
    const absl::StatusOr<std::size_t> sent = channel_.send_at_once(*next);
    if (sent.ok() && *sent == next->size()) continue;
    if (sent.ok()) next->erase(0, *sent);
    gone_ = !sent.ok();
    break;
  }
  frames.erase(frames.begin(), next);
  if (gone_) return log_here(frames);
  lines_.put_back(std::move(frames));
}

/// Logs the lines of frames that cannot be sent.
void SocketExchange::log_here(const std::deque<std::string>& frames) const noexcept {
  for (const std::string& frame : frames) {
    LogLine line;
    if (decode_frame(frame, line)) log_here(line.level, line.text);
  }
}

void SocketExchange::log(LogLevel level, std::string_view line) const noexcept {
  // A forked copy must not write to the connection, which belongs to the process that it was forked from.
  if (gone_ || lines_end_ || wsgi::ForkedCopy::is_this()) return log_here(level, line);
  lines_.add(level, line);
  send_lines_at_once();
}

/// Logs a line with the client in front, as the server does for lines of a request.
void SocketExchange::log_here(LogLevel level, std::string_view line) const noexcept {
  const std::string tagged = absl::StrCat("[client ", std::string(head_.client), "] ", std::string(line));
  host_.log(level, tagged);
}

void SocketExchange::break_off() {
  if (gone_) return;
  FrameBatch frames;
  add_pending_head(frames);
  frames.add(FrameType::kBreak);
  static_cast<void>(send(frames));
}

}  // namespace sluice::daemon
