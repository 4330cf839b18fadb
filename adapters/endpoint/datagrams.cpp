// SPDX-License-Identifier: Apache-2.0
#include "datagrams.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "descriptor.hpp"

namespace sluice::inline v0_1::endpoint {
namespace {

struct EndAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

/// An address of a receiver.
struct Destination {
  sockaddr_storage address{};
  socklen_t size = 0;
};

/// A connected socket, so that the kernel tells when a receiver is not there. It is made anew after an error, because
/// the receiver may have been replaced.
class DatagramTransport : public Transport {
 public:
  explicit DatagramTransport(const Destination& destination) : destination_(destination) {}

  /// Nothing blocks, so there is no need for the deadline. A refusal is told at the datagram after the one that was
  /// refused, which has been counted as delivered.
  Attempt send(Batch& batch, SteadyClock::time_point) override {
    if (absl::Status status = connect(); !status.ok()) return {.status = status};
    std::size_t sent = 0;
    while (sent < batch.size() && deliver(batch[sent])) ++sent;
    const int error = errno;
    batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(sent));
    if (batch.empty()) return {};
    absl::Status status = absl::ErrnoToStatus(error, "cannot send a datagram");
    if (error == EMSGSIZE) return {.status = std::move(status), .may_retry = false};
    if (error != EAGAIN && error != ENOBUFS) socket_ = Descriptor();
    return {.status = std::move(status)};
  }

  void hurry(SteadyClock::time_point) override {}

 private:
  absl::Status connect() {
    if (socket_.get() >= 0) return absl::OkStatus();
    Descriptor fresh(::socket(destination_.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fresh.get() < 0 ||
        ::connect(fresh.get(), reinterpret_cast<const sockaddr*>(&destination_.address), destination_.size) != 0) {
      return absl::ErrnoToStatus(errno, "the receiver cannot be reached");
    }
    socket_ = std::move(fresh);
    return absl::OkStatus();
  }

  [[nodiscard]] bool deliver(const std::string& message) const {
    return ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  }

  Destination destination_;
  Descriptor socket_;
};

absl::StatusOr<Destination> unix_destination(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("the path of a Unix socket has at most ",
                                                   sizeof address.sun_path - 1, " bytes and no NUL: ", path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Destination destination;
  std::memcpy(&destination.address, &address, sizeof address);
  destination.size = sizeof address;
  return destination;
}

absl::StatusOr<Destination> udp_destination(const std::string& host, std::uint16_t port) {
  if (port == 0) return absl::InvalidArgumentError("port must not be 0");
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, EndAddresses> owner(list);
  if (error != 0) return absl::NotFoundError(absl::StrCat("no address of ", host, ": ", ::gai_strerror(error)));
  Destination destination;
  std::memcpy(&destination.address, list->ai_addr, list->ai_addrlen);
  destination.size = list->ai_addrlen;
  return destination;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> datagram_transport(const StatsdPushOptions& options) {
  const absl::StatusOr<Destination> destination =
      options.unix_path.empty() ? udp_destination(options.host, options.port) : unix_destination(options.unix_path);
  if (!destination.ok()) return destination.status();
  return std::make_unique<DatagramTransport>(*destination);
}

}  // namespace sluice::endpoint
