// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/channel.hpp"

#include <poll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::daemon {
namespace {

constexpr std::size_t kBuffer = kPieceMax + 4096;

absl::Status status_of(int error) {
  if (error == EPIPE || error == ECONNRESET) return absl::CancelledError("the other end is gone");
  return absl::InternalError(std::strerror(error));
}

}  // namespace

FrameBatch& FrameBatch::add_header(FrameType type, std::size_t size) {
  FrameHeader& header = headers_[count_++];
  header = frame_header(type, size);
  parts_.push_back(bytes_of(header));
  return *this;
}

FrameBatch& FrameBatch::add(FrameType type, absl::Span<const std::string_view> parts) {
  std::size_t size = 0;
  for (const std::string_view part : parts) size += part.size();
  add_header(type, size);
  parts_.insert(parts_.end(), parts.begin(), parts.end());
  return *this;
}

Channel::Channel(int socket, Sender peer, int silence_seconds) noexcept
    : socket_(socket),
      peer_(peer),
      silence_ns_(silence_seconds > 0 ? static_cast<std::uint64_t>(silence_seconds) * kNsPerSecond : kNever) {}

Channel::~Channel() {
  if (socket_ >= 0) ::close(socket_);
}

bool Channel::ended() const noexcept { return end_ns_ != kNever && monotonic_ns() >= end_ns_; }

std::uint64_t Channel::silence_end_ns(std::uint64_t now_ns) const noexcept {
  return silence_ns_ == kNever ? kNever : now_ns + silence_ns_;
}

/// Repeats a call that signals interrupt, until it succeeds or the deadline has passed. The deadline is checked before
/// each call, because a call that finds data or room does not block, and the watcher interrupts only calls that block.
/// A call that transferred bytes before its deadline ended it succeeds, even when the watcher has shut down the socket;
/// the next call fails then. Returns 0 at the end of the stream.
absl::StatusOr<std::size_t> Channel::bounded(std::uint64_t now_ns, std::uint64_t deadline_ns,
                                             absl::FunctionRef<ssize_t()> call) {
  while (now_ns < deadline_ns && !shut_down_.load(std::memory_order_relaxed)) {
    ssize_t result = 0;
    int error = 0;
    {
      BlockingScope scope(deadline_ns, socket_);
      result = call();
      error = errno;
      // Relaxed, because the flag publishes nothing else.
      if (scope.end()) shut_down_.store(true, std::memory_order_relaxed);
    }
    if (result > 0) return static_cast<std::size_t>(result);
    now_ns = monotonic_ns();
    if (now_ns >= deadline_ns) break;
    if (result == 0) return 0U;
    if (error != EINTR) return status_of(error);
  }
  return absl::DeadlineExceededError("timeout");
}

absl::Status Channel::connect(const char* path, std::uint64_t deadline_ns) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  // The first call is made even after the deadline; it does not wait then.
  constexpr std::uint64_t kAtOnce = 0;
  absl::Status status =
      bounded(kAtOnce, std::min(deadline_ns, end_ns_), [&]() -> ssize_t {
        // Success is 1, because bounded() treats 0 as the end of a stream.
        return ::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 1 : -1;
      }).status();
  // A socket that has been shut down can still be connected, but carries nothing.
  if (status.ok() && shut_down_.load(std::memory_order_relaxed)) return absl::DeadlineExceededError("timeout");
  return status;
}

absl::StatusOr<std::size_t> Channel::send_at_once(std::string_view frames) noexcept {
  if (ended() || shut_down_.load(std::memory_order_relaxed)) return absl::DeadlineExceededError("timeout");
  const ssize_t sent = ::send(socket_, frames.data(), frames.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) return static_cast<std::size_t>(sent);
  const int error = errno;
  if (error == EAGAIN || error == EINTR) return 0U;
  return status_of(error);
}

absl::Status Channel::send_encoded(std::string_view frames) { return send_parts({&frames, 1}); }

absl::Status Channel::send(const FrameBatch& frames) { return send_parts(frames.parts()); }

absl::Status Channel::send_parts(absl::Span<const std::string_view> parts) {
  constexpr std::size_t kPartsInline = 16;
  absl::InlinedVector<iovec, kPartsInline> left;
  for (const std::string_view part : parts) {
    if (!part.empty()) left.push_back({const_cast<char*>(part.data()), part.size()});
  }
  std::size_t first = 0;
  while (first < left.size()) {
    msghdr message{};
    message.msg_iov = &left[first];
    message.msg_iovlen = std::min<std::size_t>(left.size() - first, IOV_MAX);
    const std::uint64_t now_ns = monotonic_ns();
    const absl::StatusOr<std::size_t> sent = bounded(now_ns, std::min(silence_end_ns(now_ns), end_ns_),
                                                     [&] { return ::sendmsg(socket_, &message, MSG_NOSIGNAL); });
    if (!sent.ok()) return sent.status();
    std::size_t size = *sent;
    while (first < left.size() && size >= left[first].iov_len) size -= left[first++].iov_len;
    if (first < left.size()) {
      left[first].iov_base = static_cast<char*>(left[first].iov_base) + size;
      left[first].iov_len -= size;
    }
  }
  return absl::OkStatus();
}

absl::Status Channel::send_file(int descriptor, std::uint64_t offset, std::uint64_t size) {
  auto at = static_cast<off_t>(offset);
  while (size > 0) {
    const std::uint64_t now_ns = monotonic_ns();
    const absl::StatusOr<std::size_t> sent = bounded(now_ns, std::min(silence_end_ns(now_ns), end_ns_),
                                                     [&] { return ::sendfile(socket_, descriptor, &at, size); });
    if (!sent.ok()) return sent.status();
    if (*sent == 0) return absl::DataLossError("the file is shorter than it was");
    size -= *sent;
  }
  return absl::OkStatus();
}

absl::Status Channel::fill() {
  // The buffer is not value-initialised, because that would write all of it for every request.
  if (buffer_ == nullptr) buffer_ = std::make_unique_for_overwrite<char[]>(kBuffer);
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == kBuffer) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, buffered());
    end_ -= begin_;
    begin_ = 0;
  }
  const std::uint64_t now_ns = monotonic_ns();
  const std::uint64_t deadline_ns = std::min({silence_end_ns(now_ns), frame_end_ns_, end_ns_});
  const absl::StatusOr<std::size_t> size =
      bounded(now_ns, deadline_ns, [&] { return ::recv(socket_, buffer_.get() + end_, kBuffer - end_, 0); });
  // The kernel resets a Unix socket only when the other end closes it with unread data; otherwise the stream ends.
  left_unread_ = absl::IsCancelled(size.status());
  if (!size.ok()) return size.status();
  if (*size == 0) return absl::CancelledError("the other end is gone");
  end_ += *size;
  return absl::OkStatus();
}

absl::StatusOr<Frame> Channel::next() {
  FrameHeader header{};
  frame_end_ns_ = kNever;
  while (buffered() < sizeof header) {
    if (absl::Status status = fill(); !status.ok()) return status;
    if (buffered() < sizeof header && frame_end_ns_ == kNever) frame_end_ns_ = silence_end_ns(monotonic_ns());
  }
  std::memcpy(&header, buffer_.get() + begin_, sizeof header);
  begin_ += sizeof header;
  const FrameDefinition* const definition = find_frame(header, peer_);
  if (definition == nullptr) {
    return absl::DataLossError(
        absl::StrCat("a frame of type ", header.type, " with ", header.size, " bytes, which this end may not send"));
  }
  if (definition->type == FrameType::kData) {
    frame_end_ns_ = kNever;
  } else if (frame_end_ns_ == kNever && buffered() < header.size) {
    frame_end_ns_ = silence_end_ns(monotonic_ns());
  }
  return Frame{definition->type, header.size};
}

bool Channel::readable_within(int milliseconds) const noexcept {
  pollfd socket = {.fd = socket_, .events = POLLIN, .revents = 0};
  return buffered() != 0 || ::poll(&socket, 1, milliseconds) > 0;
}

void Channel::refuse_more() noexcept { ::shutdown(socket_, SHUT_RD); }

bool Channel::take_if(FrameType type) {
  FrameHeader header{};
  if (buffered() < sizeof header) return false;
  std::memcpy(&header, buffer_.get() + begin_, sizeof header);
  if (header.type != static_cast<std::uint32_t>(type) || header.size != 0) return false;
  begin_ += sizeof header;
  return true;
}

absl::StatusOr<std::string_view> Channel::some(std::size_t size) {
  if (buffered() == 0) {
    if (absl::Status status = fill(); !status.ok()) return status;
  }
  const std::string_view part(buffer_.get() + begin_, std::min(size, buffered()));
  begin_ += part.size();
  return part;
}

absl::Status Channel::read(absl::Span<char> into) {
  while (!into.empty()) {
    const absl::StatusOr<std::string_view> part = some(into.size());
    if (!part.ok()) return part.status();
    std::memcpy(into.data(), part->data(), part->size());
    into.remove_prefix(part->size());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Channel::read(std::size_t size) {
  std::string text;
  while (text.size() < size) {
    const absl::StatusOr<std::string_view> part = some(size - text.size());
    if (!part.ok()) return part.status();
    text += *part;
  }
  return text;
}

}  // namespace sluice::daemon
