// SPDX-License-Identifier: Apache-2.0
// server PORT METRICS-PORT WORKERS: a server of several processes. The parent serves nothing: it starts the workers and
// replaces those that end, whatever ended them. Each worker answers one request at a time and records it in memory that
// it shares with the process that Prometheus scrapes, so the counts of a worker outlive it. The parent has resolved the
// labels before it forks. SIGTERM ends the server when the requests in flight have been answered.
#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "sluice/encode/exposition.hpp"
#include "sluice/http.hpp"
#include "sluice/registry.hpp"
#include "sluice/series_set.hpp"
#include "sluice/serve.hpp"

namespace {

namespace http = boost::beast::http;
using Registry = sluice::Registry;
using Parser = http::request_parser<http::string_body>;

constexpr std::size_t kMostWorkers = 64;
constexpr std::size_t kMostBytes = std::size_t{64} << 20U;
constexpr timeval kIdleTimeout = {.tv_sec = 5, .tv_usec = 0};

/// The answer of a worker, and the series that counts it. A request without a route has no labels, because a path is
/// whatever a client sends.
struct Answer {
  http::status status = http::status::not_found;
  std::string body;
  sluice::Series series;
};

/// Returns a socket that accepts connections, or -1 with errno set.
int listen_at(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (descriptor >= 0 && ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
      ::listen(descriptor, SOMAXCONN) == 0) {
    return descriptor;
  }
  return -1;
}

volatile sig_atomic_t stopping = 0;

/// A process that serves. Its signals stay blocked while it has a request.
class Server {
 public:
  Server(int listener, sluice::SeriesSet<sluice::http::Request>& routes, std::span<std::byte> memory)
      : listener_(listener),
        recorder_({.threads = 1, .series_set = &routes, .memory = memory}),
        hello_(recorder_.series(sluice::http::SeriesLabels("GET", "/hello"))),
        user_(recorder_.series(sluice::http::SeriesLabels("GET", "/users/{id}"))) {}

  void run() {
    while (wait_for_connection()) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) continue;  // another worker has it
      ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &kIdleTimeout, sizeof kIdleTimeout);
      ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &kIdleTimeout, sizeof kIdleTimeout);
      serve(connection);
      ::close(connection);
    }
  }

 private:
  /// Returns false when the process is to end.
  bool wait_for_connection() const {
    sigset_t none;
    ::sigemptyset(&none);
    pollfd ready = {.fd = listener_, .events = POLLIN, .revents = 0};
    while (stopping == 0) {
      if (::ppoll(&ready, 1, nullptr, &none) == 1) return true;
    }
    return false;
  }

  void serve(int connection) {
    sluice::http::InFlight request = worker_.begin();  // counts as failed when its answer cannot be sent
    Parser parser;
    parser.eager(true);
    boost::beast::error_code error;
    if (!receive(connection, parser, error)) return request.cancel();  // nothing was asked
    const Answer answer =
        error ? Answer{.status = http::status::bad_request, .body = {}, .series = {}} : answer_to(parser.get());
    request.set_series(answer.series);
    if (!send(connection, answer)) return;
    request.finish({.status = static_cast<int>(answer.status),
                    .request_bytes = parser.get().body().size(),
                    .response_bytes = answer.body.size()});
  }

  /// Reads a request. Returns false if the client has gone or waits too long; sets `error` if it is malformed.
  static bool receive(int connection, Parser& parser, boost::beast::error_code& error) {
    std::array<char, 4096> bytes;
    std::string unparsed;
    while (!parser.is_done()) {
      const ssize_t size = ::recv(connection, bytes.data(), bytes.size(), 0);
      if (size <= 0) return false;
      unparsed.append(bytes.data(), static_cast<std::size_t>(size));
      unparsed.erase(0, parser.put(boost::asio::buffer(unparsed), error));
      if (error == http::error::need_more) error = {};
      if (error) break;
    }
    return true;
  }

  [[nodiscard]] Answer answer_to(const Parser::value_type& request) const {
    const std::string_view path(request.target().data(), request.target().size());
    if (request.method() != http::verb::get) return {};
    if (path == "/hello") return {http::status::ok, "Hello World!", hello_};
    if (path.starts_with("/users/")) return {http::status::ok, "user " + std::string(path.substr(7)), user_};
    if (path == "/pid") return {http::status::ok, std::to_string(::getpid()), {}};
    return {};
  }

  static bool send(int connection, const Answer& answer) {
    http::response<http::string_body> response(answer.status, 11, answer.body);
    response.keep_alive(false);
    response.prepare_payload();
    std::ostringstream text;
    text << response;
    const std::string whole = text.str();
    return ::send(connection, whole.data(), whole.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(whole.size());
  }

  int listener_;
  sluice::http::Recorder recorder_;
  sluice::Series hello_;
  sluice::Series user_;
  sluice::http::Worker worker_ = recorder_.attach();
};

/// The process that starts the others.
class Parent {
 public:
  Parent(std::size_t workers, std::uint16_t metrics_port) : workers_(workers), metrics_port_(metrics_port) {}

  absl::Status start(int listener) {
    for (const char* const route : {"/hello", "/users/{id}"}) {
      static_cast<void>(routes_.add(sluice::http::SeriesLabels("GET", route)));
    }
    if (absl::Status status = registry_.open(kMostBytes); !status.ok()) return status;
    const auto group = registry_.group("web");
    if (!group.ok()) return group.status();
    web_ = {.group = group->id};
    if (absl::Status status = registry_.pre_allocate({{.tenant = web_, .threads = 1, .processes = workers_}});
        !status.ok()) {
      return status;
    }
    listener_ = listener;
    start_metrics();
    while (running_.size() < workers_) start_worker();
    return absl::OkStatus();
  }

  /// Returns when a signal has ended the server.
  void run(const sigset_t& signals) {
    for (int number = 0; number != SIGTERM && number != SIGINT; number = ::sigwaitinfo(&signals, nullptr)) {
      reap(WNOHANG);
      if (!metrics_) start_metrics();
      while (running_.size() < workers_) start_worker();
    }
    for (const pid_t pid : running_) ::kill(pid, SIGTERM);
    while (!running_.empty()) reap(0);
    if (metrics_) ::kill(*metrics_, SIGTERM);
  }

 private:
  /// Waits for children that have ended. The registry keeps what they have counted.
  void reap(int options) {
    for (pid_t pid; (pid = ::waitpid(-1, nullptr, options)) > 0;) {
      registry_.ended(pid);
      running_.erase(pid);
      if (metrics_ == pid) metrics_.reset();
      if (options == 0 && running_.empty()) return;
    }
  }

  void start_worker() {
    const auto slot = registry_.reserve(web_, 1);
    const pid_t pid = ::fork();
    if (pid == 0) {
      follow_parent();
      Server(listener_, routes_, registry_.isolate_to(slot.ok() ? std::optional(*slot) : std::nullopt)).run();
      ::_exit(EXIT_SUCCESS);
    }
    if (slot.ok() && pid > 0) registry_.started(*slot, pid);
    if (slot.ok() && pid < 0) registry_.cancel(*slot);
    if (pid > 0) running_.insert(pid);
    if (pid < 0) ::sleep(1);
  }

  /// The scrapes have a process of their own, so that the parent has one thread and calls no code of a client.
  void start_metrics() {
    const pid_t pid = ::fork();
    if (pid > 0) metrics_ = pid;
    if (pid != 0) return;
    follow_parent();
    ::close(listener_);
    static_cast<void>(registry_.enter(std::nullopt));
    const auto render = [this](sluice::encode::Format format) -> absl::StatusOr<std::string> {
      const absl::StatusOr<sluice::ServerReading> reading = registry_.read();
      if (!reading.ok()) return reading.status();
      std::string text;
      sluice::encode::fill(text, [&](std::span<char> out) {
        return sluice::encode::exposition({.groups = &*reading}, {.format = format}, out);
      });
      return text;
    };
    const auto endpoint = sluice::serve(render, {.port = metrics_port_});
    if (!endpoint.ok()) {
      std::cerr << "server: " << endpoint.status().message() << '\n';
      ::sleep(1);  // the parent tries again
      ::_exit(EXIT_FAILURE);
    }
    sigset_t none;
    ::sigemptyset(&none);
    while (stopping == 0) ::sigsuspend(&none);
    ::_exit(EXIT_SUCCESS);
  }

  /// Has a child end with its parent.
  static void follow_parent() {
    struct sigaction action {};
    action.sa_handler = [](int) { stopping = 1; };
    ::sigaction(SIGTERM, &action, nullptr);
    ::sigaction(SIGINT, &action, nullptr);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  }

  std::size_t workers_;
  std::uint16_t metrics_port_;
  int listener_ = -1;
  inline static Registry::State state_{};
  sluice::SeriesSet<sluice::http::Request> routes_{64};
  Registry registry_ = Registry::of<sluice::http::Request>(state_, routes_);
  Registry::Tenant web_{};
  std::set<pid_t> running_;
  std::optional<pid_t> metrics_;
};

std::optional<std::size_t> number(std::string_view text, std::size_t most) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  const bool whole = error == std::errc() && end == text.end();
  return whole && value >= 1 && value <= most ? std::optional(value) : std::nullopt;
}

}  // namespace

int main(int count, char** values) {
  const auto port = number(count == 4 ? values[1] : "", 65535);
  const auto metrics_port = number(count == 4 ? values[2] : "", 65535);
  const auto workers = number(count == 4 ? values[3] : "", kMostWorkers);
  if (!port || !metrics_port || !workers) {
    std::cerr << "server: three arguments are needed: two ports, and a number of workers from 1 to 64\n";
    return 2;
  }
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT}) ::sigaddset(&signals, signal);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int listener = listen_at(static_cast<std::uint16_t>(*port));
  if (listener < 0) {
    std::cerr << "server: port " << *port << " cannot be served: " << std::strerror(errno) << '\n';
    return EXIT_FAILURE;
  }
  Parent parent(*workers, static_cast<std::uint16_t>(*metrics_port));
  if (const absl::Status status = parent.start(listener); !status.ok()) {
    std::cerr << "server: " << status.message() << '\n';
    return EXIT_FAILURE;
  }
  parent.run(signals);
  return EXIT_SUCCESS;
}
