#include "adapters/daemon/channel.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::daemon {
namespace {

constexpr std::size_t kBuffer = kPiece + 4096;

absl::Status status_of(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK) return absl::DeadlineExceededError("timeout");
  if (error == EPIPE || error == ECONNRESET) return absl::CancelledError("the other end is gone");
  return absl::InternalError(std::strerror(error));
}

}  // namespace

std::string_view bytes_of(const FrameHeader& header) noexcept {
  return {reinterpret_cast<const char*>(&header), sizeof header};
}

Channel::~Channel() {
  if (socket_ >= 0) ::close(socket_);
}

absl::Status Channel::send(absl::Span<const std::string_view> parts) {
  std::vector<iovec> left;
  left.reserve(parts.size());
  for (const std::string_view part : parts) {
    if (!part.empty()) left.push_back({const_cast<char*>(part.data()), part.size()});
  }
  std::size_t first = 0;
  while (first < left.size()) {
    msghdr message{};
    message.msg_iov = &left[first];
    message.msg_iovlen = std::min<std::size_t>(left.size() - first, IOV_MAX);
    const ssize_t sent = ::sendmsg(socket_, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return status_of(errno);
    auto size = static_cast<std::size_t>(sent);
    while (first < left.size() && size >= left[first].iov_len) size -= left[first++].iov_len;
    if (first < left.size()) {
      left[first].iov_base = static_cast<char*>(left[first].iov_base) + size;
      left[first].iov_len -= size;
    }
  }
  return absl::OkStatus();
}

absl::Status Channel::fill() {
  if (buffer_.empty()) buffer_.resize(kBuffer);
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == buffer_.size()) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, buffered());
    end_ -= begin_;
    begin_ = 0;
  }
  while (true) {
    const ssize_t size = ::recv(socket_, buffer_.data() + end_, buffer_.size() - end_, 0);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return status_of(errno);
    if (size == 0) return absl::CancelledError("the other end is gone");
    end_ += static_cast<std::size_t>(size);
    return absl::OkStatus();
  }
}

absl::StatusOr<FrameHeader> Channel::next() {
  FrameHeader header{};
  if (absl::Status status = read({reinterpret_cast<char*>(&header), sizeof header}); !status.ok()) return status;
  if (header.size > kPayloadMax) return absl::DataLossError("a frame is too long");
  return header;
}

bool Channel::readable() const noexcept {
  pollfd socket = {.fd = socket_, .events = POLLIN, .revents = 0};
  return buffered() != 0 || ::poll(&socket, 1, 0) > 0;
}

bool Channel::take_if(FrameType type) {
  FrameHeader header{};
  if (buffered() < sizeof header) return false;
  std::memcpy(&header, buffer_.data() + begin_, sizeof header);
  if (header.type != static_cast<std::uint32_t>(type) || header.size != 0) return false;
  begin_ += sizeof header;
  return true;
}

absl::StatusOr<std::string_view> Channel::some(std::size_t size) {
  if (buffered() == 0) {
    if (absl::Status status = fill(); !status.ok()) return status;
  }
  const std::string_view found(buffer_.data() + begin_, std::min(size, buffered()));
  begin_ += found.size();
  return found;
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

std::uint64_t Unpacker::number() noexcept {
  std::uint64_t number = 0;
  if (rest_.size() < sizeof number) {
    rest_ = {};
    whole_ = false;
    return 0;
  }
  std::memcpy(&number, rest_.data(), sizeof number);
  rest_.remove_prefix(sizeof number);
  return number;
}

std::string_view Unpacker::text() noexcept {
  const std::uint64_t size = number();
  if (size > rest_.size()) {
    rest_ = {};
    whole_ = false;
    return {};
  }
  const std::string_view text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return text;
}

}  // namespace sluice::daemon
