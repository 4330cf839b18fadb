// SPDX-License-Identifier: Apache-2.0
#include "datagrams.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

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
/// the receiver may have been replaced, and to the next address of the receiver's name.
class DatagramTransport : public Transport {
 public:
  /// `destinations` has at least one entry.
  explicit DatagramTransport(std::vector<Destination> destinations) : destinations_(std::move(destinations)) {}

  /// Nothing blocks, so there is no need for the deadline. A refusal is told at the datagram after the one that was
  /// refused, which has been counted as delivered.
  Attempt send(Batch& batch, SteadyClock::time_point) override {
    Attempt attempt;
    for (std::size_t tries = 0; tries < destinations_.size(); ++tries) {
      attempt = send_to_current(batch);
      if (socket_.get() >= 0) break;
      current_ = (current_ + 1) % destinations_.size();
    }
    return attempt;
  }

  void hurry(SteadyClock::time_point) override {}

 private:
  /// Sends to one address. Closes the socket after an error that another address need not have.
  Attempt send_to_current(Batch& batch) {
    const bool is_new = socket_.get() < 0;
    if (absl::Status status = connect(); !status.ok()) return {.status = status};
    std::size_t sent = 0;
    int error = 0;
    for (; sent < batch.size(); ++sent) {
      error = deliver(batch[sent]);
      // The kernel knows at once whether an address of this machine refuses a datagram.
      if (error == 0 && is_new && sent == 0 && destinations_.size() > 1) error = refusal();
      if (error != 0) break;
    }
    batch.erase(batch.begin(), batch.begin() + static_cast<std::ptrdiff_t>(sent));
    if (batch.empty()) return {};
    absl::Status status = absl::ErrnoToStatus(error, "cannot send a datagram");
    if (error == EMSGSIZE) return {.status = std::move(status), .may_retry = false};
    if (error != EAGAIN && error != ENOBUFS) socket_ = Descriptor();
    return {.status = std::move(status)};
  }

  absl::Status connect() {
    if (socket_.get() >= 0) return absl::OkStatus();
    const Destination& to = destinations_[current_];
    Descriptor fresh(::socket(to.address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (fresh.get() < 0 || ::connect(fresh.get(), reinterpret_cast<const sockaddr*>(&to.address), to.size) != 0) {
      return absl::ErrnoToStatus(errno, "the receiver cannot be reached");
    }
    socket_ = std::move(fresh);
    return absl::OkStatus();
  }

  /// Sends a datagram. Returns the error; 0: none.
  [[nodiscard]] int deliver(const std::string& message) const {
    return ::send(socket_.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0 ? 0 : errno;
  }

  /// Returns the error with which datagrams so far were refused, as far as the kernel knows it; 0: none.
  [[nodiscard]] int refusal() const {
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }

  std::vector<Destination> destinations_;
  std::size_t current_ = 0;
  Descriptor socket_;
};

absl::StatusOr<std::vector<Destination>> unix_destination(const std::string& path) {
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
  return std::vector{destination};
}

/// Returns all addresses of a receiver, those first that the system prefers.
absl::StatusOr<std::vector<Destination>> udp_destinations(const std::string& host, std::uint16_t port) {
  if (port == 0) return absl::InvalidArgumentError("port must not be 0");
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  const std::unique_ptr<addrinfo, EndAddresses> owner(list);
  if (error != 0) return absl::NotFoundError(absl::StrCat("no address of ", host, ": ", ::gai_strerror(error)));
  std::vector<Destination> destinations;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    Destination& destination = destinations.emplace_back();
    std::memcpy(&destination.address, one->ai_addr, one->ai_addrlen);
    destination.size = one->ai_addrlen;
  }
  return destinations;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> datagram_transport(const StatsdPushOptions& options) {
  absl::StatusOr<std::vector<Destination>> destinations =
      options.unix_path.empty() ? udp_destinations(options.host, options.port) : unix_destination(options.unix_path);
  if (!destinations.ok()) return destinations.status();
  return std::make_unique<DatagramTransport>(*std::move(destinations));
}

}  // namespace sluice::endpoint
