// SPDX-License-Identifier: Apache-2.0
// The socket that an endpoint listens at.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "descriptor.hpp"
#include "sluice/serve.hpp"

namespace sluice::inline v0_1::endpoint {

/// A listening socket. The destructor removes the name of a Unix socket, unless another one has taken the name since.
class Listener {
 public:
  /// Listens where the options say. \return As serve().
  [[nodiscard]] static absl::StatusOr<Listener> open(const ServeOptions& options);

  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;
  ~Listener();

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  /// Returns the port; 0 for a Unix socket.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  /// Gives the descriptor up to the caller.
  [[nodiscard]] int release() noexcept { return socket_.release(); }
  /// Leaves the name of a Unix socket to the process that made it.
  void forget_name() noexcept { unix_path_.clear(); }

 private:
  explicit Listener(Descriptor socket) noexcept : socket_(std::move(socket)) {}
  static absl::StatusOr<Listener> open_unix(const ServeOptions& options);
  static absl::StatusOr<Listener> open_tcp(const ServeOptions& options);

  Descriptor socket_;
  std::uint16_t port_ = 0;
  std::string unix_path_;  ///< Name to be removed; empty: none.
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace sluice::endpoint
