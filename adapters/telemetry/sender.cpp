// SPDX-License-Identifier: Apache-2.0
#include "adapters/telemetry/sender.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace sluice::telemetry {
namespace {

/// Consecutive series that must succeed before the service counts as back, because a slow one accepts some.
constexpr int kGoodSeries = 3;
/// The pause before a retry. Retries are counted and not timed, because a service that gets little processor time reads
/// its queue late, on a machine where the pauses take longer, too.
constexpr timespec kPause = {0, 1'000'000};

}  // namespace

Sender::Sender(std::string path, LogSink log) : path_(std::move(path)), log_(std::move(log)) {
  socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

Sender::~Sender() {
  if (socket_ >= 0) ::close(socket_);
}

void Sender::begin_series(int retries) noexcept {
  error_ = 0;
  retries_left_ = retries;
}

void Sender::send(std::string_view datagram) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) {
    error_ = ENAMETOOLONG;
    return;
  }
  std::memcpy(address.sun_path, path_.data(), path_.size());
  while (::sendto(socket_, datagram.data(), datagram.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    const int error = errno;
    if (error == EINTR) continue;
    if (state_of(error) == State::kFull && state_ == State::kGood && retries_left_ > 0) {
      --retries_left_;
      ::nanosleep(&kPause, nullptr);
      continue;
    }
    error_ = error;
    ++lost_;
    return;
  }
}

Sender::State Sender::state_of(int error) noexcept {
  switch (error) {
    case 0:
      return State::kGood;
    case ENOENT:
    case ECONNREFUSED:
      return State::kAbsent;
    case EAGAIN:
    case ENOBUFS:
      return State::kFull;
    default:
      return State::kRefused;
  }
}

void Sender::change(State to, int error) {
  const std::uint64_t lost = lost_;
  state_ = to;
  switch (to) {
    case State::kGood:
      lost_ = 0;
      return log_(LogLevel::kInfo, absl::StrCat("SLC0153: telemetry reaches '", path_, "' again; ", lost,
                                                " datagrams were lost meanwhile."));
    case State::kAbsent:
      return log_(LogLevel::kWarning, absl::StrCat("SLC0154: telemetry is lost, because no service receives it at '",
                                                   path_, "'; sending goes on. Start the service."));
    case State::kFull:
      return log_(LogLevel::kWarning,
                  absl::StrCat("SLC0155: telemetry is lost, because the service at '", path_,
                               "' does not keep up. Lengthen the interval or speed up the service."));
    case State::kRefused:
      return log_(LogLevel::kWarning,
                  absl::StrCat("SLC0156: telemetry is lost, because it cannot be sent to '", path_,
                               "': ", std::strerror(error), ". Check the path and the permissions of the socket."));
  }
}

void Sender::end_series() {
  const State now = state_of(error_);
  if (now != State::kGood) {
    good_series_ = 0;
    if (now != state_) change(now, error_);
  } else if (state_ != State::kGood && ++good_series_ == kGoodSeries) {
    good_series_ = 0;
    change(State::kGood, 0);
  }
}

}  // namespace sluice::telemetry
