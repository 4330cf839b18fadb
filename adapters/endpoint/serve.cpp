// SPDX-License-Identifier: Apache-2.0
// The endpoint, on libmicrohttpd. One thread runs the library, which answers connections as they become ready, and ends
// those that last too long: the library itself bounds only the time without any byte.
#include "sluice/serve.hpp"

#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "descriptor.hpp"
#include "listen.hpp"
#include "times.hpp"

namespace sluice::inline v0_1 {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kRefusedPauseMs = 50;                  ///< Pause after a connection that could not be accepted.
constexpr unsigned kEndsTold = 2;                    ///< Number of events for the end of what a client sends.
constexpr std::size_t kConnectionBytes = 16 * 1024;  ///< Bound of the memory for a request line and header fields.

/// Reads the Accept fields of a request as one list.
MHD_Result append_accept(void* list, MHD_ValueKind, const char* name, const char* value) {
  if (::strcasecmp(name, MHD_HTTP_HEADER_ACCEPT) == 0 && value != nullptr) {
    auto& all = *static_cast<std::string*>(list);
    if (!all.empty()) all += ',';
    all += value;
  }
  return MHD_YES;
}

struct Answer {
  unsigned status = MHD_HTTP_OK;
  std::string_view type = "text/plain; charset=utf-8";
  std::string body;
};

MHD_Result send(MHD_Connection* connection, const Answer& answer) {
  MHD_Response* const response =
      MHD_create_response_from_buffer(answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, std::string(answer.type).c_str());
  MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
  if (answer.status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = MHD_queue_response(connection, answer.status, response);
  MHD_destroy_response(response);
  return queued;
}

}  // namespace

/// The library's daemon and the thread that runs it. Only that thread touches the daemon between start() and stop(), so
/// the daemon and the list of connections need no lock.
class Endpoint::Server {
 public:
  Server(Render render, ServeOptions options, endpoint::Listener listener)
      : render_(std::move(render)),
        options_(std::move(options)),
        listener_(std::move(listener)),
        process_(::getpid()) {}
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  absl::Status start();
  [[nodiscard]] std::uint16_t port() const noexcept { return listener_.port(); }
  [[nodiscard]] bool inherited() const noexcept { return process_ != ::getpid(); }
  /// Closes the copy of the listening socket in a forked child, which has no thread of the endpoint.
  void disown() noexcept {
    listener_.forget_name();
    ::close(listener_.release());
    ::close(listen_fd_);
  }

 private:
  struct Connection {
    const MHD_Connection* connection;
    int fd;
    SteadyClock::time_point deadline;
    bool closing = false;
    unsigned ends_told = 0;  ///< How often the library was told that the client sends nothing more.
  };

  void run() noexcept;
  [[nodiscard]] int wait_ms();
  void close_late() noexcept;
  void tell_ends() noexcept;
  [[nodiscard]] Answer answer(MHD_Connection* connection, std::string_view path, std::string_view method) const;
  static MHD_Result on_request(void* self, MHD_Connection* connection, const char* path, const char* method,
                               const char* version, const char* upload, std::size_t* upload_bytes,
                               void** state) noexcept;
  static void on_connection(void* self, MHD_Connection* connection, void** state,
                            MHD_ConnectionNotificationCode code) noexcept;

  Render render_;
  ServeOptions options_;
  endpoint::Listener listener_;
  pid_t process_;
  int listen_fd_ = -1;  ///< The daemon's copy of the listening socket, which it closes.
  endpoint::Descriptor wake_;
  MHD_Daemon* daemon_ = nullptr;
  std::vector<Connection> connections_;
  bool closed_ = false;  ///< A connection was closed in the last run of the library.
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

absl::Status Endpoint::Server::start() {
  wake_ = endpoint::Descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (wake_.get() < 0) return absl::ErrnoToStatus(errno, "cannot make an eventfd");
  listen_fd_ = ::fcntl(listener_.fd(), F_DUPFD_CLOEXEC, 0);
  if (listen_fd_ < 0) return absl::ErrnoToStatus(errno, "cannot copy the listening socket");
  connections_.reserve(options_.connections);
  daemon_ = MHD_start_daemon(MHD_USE_EPOLL, 0, nullptr, nullptr, &on_request, this,  //
                             MHD_OPTION_LISTEN_SOCKET, listen_fd_,                   //
                             MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(options_.connections),
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionBytes,  //
                             MHD_OPTION_NOTIFY_CONNECTION, &on_connection, this, MHD_OPTION_END);
  if (daemon_ == nullptr) return absl::ResourceExhaustedError("libmicrohttpd cannot start");
  absl::StatusOr<std::thread> thread = endpoint::start_thread([this] { run(); });
  if (!thread.ok()) return thread.status();
  thread_ = std::move(*thread);
  return absl::OkStatus();
}

Endpoint::Server::~Server() {
  if (thread_.joinable()) {
    stopping_.store(true, std::memory_order_relaxed);  // the eventfd below orders it
    ::eventfd_write(wake_.get(), 1);
    thread_.join();
  }
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

void Endpoint::Server::run() noexcept {
  const int ready = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
  while (!stopping_.load(std::memory_order_relaxed)) {
    pollfd waits[] = {{.fd = ready, .events = POLLIN, .revents = 0},
                      {.fd = wake_.get(), .events = POLLIN, .revents = 0}};
    ::poll(waits, 2, wait_ms());
    MHD_run(daemon_);
    close_late();
    tell_ends();
    // Without a descriptor or memory for a connection, the listening socket stays ready. Where connections are open,
    // the library waits for the end of one; where none is, it would try again at once.
    const bool refused = waits[0].revents != 0 && connections_.empty() && !closed_;
    if (refused) ::poll(&waits[1], 1, kRefusedPauseMs);
  }
}

/// Returns the time until something has to be done though no descriptor is ready; negative: none. After a connection
/// was closed the library has to run once more, because only then it listens again where the limit had been reached.
int Endpoint::Server::wait_ms() {
  if (std::exchange(closed_, false)) return 0;
  std::int64_t wait = -1;
  MHD_UNSIGNED_LONG_LONG library = 0;
  if (MHD_get_timeout(daemon_, &library) == MHD_YES) wait = static_cast<std::int64_t>(std::min(library, 60'000ULL));
  for (const Connection& open : connections_) {
    if (open.closing) continue;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(open.deadline - SteadyClock::now()).count();
    const std::int64_t until = std::clamp<std::int64_t>(left, 0, 60'000);
    wait = wait < 0 ? until : std::min(wait, until);
  }
  return static_cast<int>(wait);
}

/// Shuts connections down whose time is over. The library then sees their end and closes them.
void Endpoint::Server::close_late() noexcept {
  for (Connection& open : connections_) {
    if (open.closing || SteadyClock::now() < open.deadline) continue;
    ::shutdown(open.fd, SHUT_RDWR);
    open.closing = true;
  }
}

/// Makes the end of what a client sends an event of its own. After a short read the library waits for another event, of
/// which there is none where the end came together with the data: a client that has gone would keep its connection
/// until its time is over. Does so twice, because the first event is lost where the library has yet to read the data.
/// The library can still read what was received, and a client that waits for its answer gets it.
void Endpoint::Server::tell_ends() noexcept {
  for (Connection& open : connections_) {
    if (open.closing || open.ends_told == kEndsTold) continue;
    pollfd end{.fd = open.fd, .events = POLLRDHUP, .revents = 0};
    if (::poll(&end, 1, 0) != 1 || (end.revents & POLLRDHUP) == 0) continue;
    ::shutdown(open.fd, SHUT_RD);
    ++open.ends_told;
  }
}

void Endpoint::Server::on_connection(void* self, MHD_Connection* connection, void**,
                                     MHD_ConnectionNotificationCode code) noexcept {
  auto& server = *static_cast<Server*>(self);
  if (code == MHD_CONNECTION_NOTIFY_STARTED) {
    const int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    server.connections_.push_back({connection, fd, SteadyClock::now() + server.options_.timeout});  // reserved
  } else {
    server.closed_ = true;
    std::erase_if(server.connections_, [&](const Connection& open) { return open.connection == connection; });
  }
}

MHD_Result Endpoint::Server::on_request(void* self, MHD_Connection* connection, const char* path, const char* method,
                                        const char*, const char*, std::size_t*, void**) noexcept {
  try {
    return send(connection, static_cast<Server*>(self)->answer(connection, path, method));
  } catch (...) {
    return MHD_NO;  // no memory: the connection is closed
  }
}

Answer Endpoint::Server::answer(MHD_Connection* connection, std::string_view path, std::string_view method) const {
  if (path != options_.path) return {.status = MHD_HTTP_NOT_FOUND, .body = "not found\n"};
  if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) {
    return {.status = MHD_HTTP_METHOD_NOT_ALLOWED, .body = "only GET and HEAD are answered\n"};
  }
  std::string accept;
  MHD_get_connection_values(connection, MHD_HEADER_KIND, &append_accept, &accept);
  const encode::Format format = encode::negotiate(accept);
  try {
    absl::StatusOr<std::string> text = render_(format);
    if (text.ok()) return {.type = encode::content_type(format), .body = *std::move(text)};
  } catch (...) {  // answered as an error is
  }
  return {.status = MHD_HTTP_SERVICE_UNAVAILABLE, .body = "the metrics cannot be read now\n"};
}

Endpoint::Endpoint(std::unique_ptr<Server> server) noexcept : server_(std::move(server)) {}
Endpoint::Endpoint(Endpoint&&) noexcept = default;

Endpoint& Endpoint::operator=(Endpoint&& other) noexcept {
  Endpoint old(std::move(*this));
  server_ = std::move(other.server_);
  return *this;
}

/// In a forked child the server is leaked, because its thread and the state of the library are the parent's.
Endpoint::~Endpoint() {
  if (server_ != nullptr && server_->inherited()) server_.release()->disown();
}

std::uint16_t Endpoint::port() const noexcept { return server_ == nullptr ? 0 : server_->port(); }

absl::StatusOr<Endpoint> serve(Render render, ServeOptions options) {
  if (render == nullptr) return absl::InvalidArgumentError("there is no function to render with");
  if (options.connections < 1 || options.connections > 10'000) {
    return absl::InvalidArgumentError("connections must be from 1 to 10000");
  }
  if (!endpoint::usable(options.timeout)) {
    return absl::InvalidArgumentError("timeout must be positive and at most a year");
  }
  if (!options.path.starts_with('/')) return absl::InvalidArgumentError("path must begin with a slash");
  absl::StatusOr<endpoint::Listener> listener = endpoint::Listener::open(options);
  if (!listener.ok()) return listener.status();
  auto server = std::make_unique<Endpoint::Server>(std::move(render), std::move(options), *std::move(listener));
  if (absl::Status status = server->start(); !status.ok()) return status;
  return Endpoint(std::move(server));
}

}  // namespace sluice
