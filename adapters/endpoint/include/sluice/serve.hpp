// SPDX-License-Identifier: Apache-2.0
// An endpoint for scrapes, for programs that have no HTTP server at hand. Part of the target sluice::endpoint.
//
//   absl::StatusOr<sluice::Endpoint> endpoint = sluice::serve(recorder, {.port = 9464});
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "sluice/encode/exposition.hpp"
#include "sluice/recorder.hpp"

namespace sluice::inline v0_1 {

/// \defgroup endpoint_api Serve and push
/// Answer scrapes without a server of your own, and push to receivers.
/// @{

/// Returns the text of an answer in this format. Called on the thread of the endpoint, one call at a time. An error or
/// an exception is answered with 503, and its message stays inside the process.
using Render = std::function<absl::StatusOr<std::string>(encode::Format)>;

/// Settings of serve().
struct ServeOptions {
  std::string address = "127.0.0.1";          ///< Numeric address to listen at, IPv4 or IPv6.
  std::uint16_t port = 0;                     ///< Port to listen at; 0: a free one, see Endpoint::port().
  std::string unix_path = {};                 ///< Path of a Unix socket to listen at, instead of an address and a port.
  unsigned unix_mode = 0600;                  ///< Permissions of the Unix socket.
  std::string path = "/metrics";              ///< Path that is answered; each other one is answered with 404.
  std::size_t connections = 16;               ///< Most connections at a time, at least 1; others wait in the kernel.
  std::chrono::milliseconds timeout{10'000};  ///< Time after which a connection is closed, at most a year.
};

/// An HTTP server of one thread, which listens until it is destroyed. Answers GET and HEAD for one path; a connection
/// is closed after an answer. A client occupies a connection for at most the timeout, and 16 KiB of memory beside the
/// answer. Move-only. In a forked child the endpoint answers nothing, and its destructor closes the inherited socket
/// only; so fork first, and serve then.
class Endpoint {
 public:
  /// Takes over an endpoint.
  Endpoint(Endpoint&&) noexcept;
  /// Stops this endpoint and takes over another one.
  Endpoint& operator=(Endpoint&&) noexcept;
  /// Stops. Waits for a call of the renderer, but for no client.
  ~Endpoint();

  /// Returns the port that is listened at; 0 for a Unix socket.
  [[nodiscard]] std::uint16_t port() const noexcept;

 private:
  friend absl::StatusOr<Endpoint> serve(Render render, ServeOptions options);
  class Server;
  explicit Endpoint(std::unique_ptr<Server> server) noexcept;
  std::unique_ptr<Server> server_;
};

/// Starts an endpoint that answers with what `render` returns. The signals of the process are blocked on its thread.
/// A Unix socket that nobody listens at any more is replaced.
/// \return InvalidArgument for an option that cannot be used; AlreadyExists if another process listens there, or if
///         the path of the socket is that of something else; PermissionDenied, NotFound and other errors of the
///         kernel, with the address in the message.
[[nodiscard]] absl::StatusOr<Endpoint> serve(Render render, ServeOptions options = {});

/// Starts an endpoint that answers with the counts of a recorder since this call, which must outlive the endpoint, and
/// with gauges. Their functions are called on the thread of the endpoint, perhaps twice for an answer; their texts must
/// outlive it too.
/// \return As above.
/// \throws std::bad_alloc
[[nodiscard]] absl::StatusOr<Endpoint> serve(RecorderBase& recorder, ServeOptions options = {},
                                             std::vector<encode::Gauge> gauges = {});

/// @}

}  // namespace sluice
