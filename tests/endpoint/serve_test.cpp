// SPDX-License-Identifier: Apache-2.0
// The endpoint against clients of every kind.
#include "sluice/serve.hpp"
#include "sluice/http.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <stdexcept>
#include <thread>

#include "sockets.hpp"
#include "tests/catch.hpp"

namespace {

/// Runs in place of another process between two calls of the endpoint.
std::function<void()> before_listen;  // NOLINT(cert-err58-cpp): the constructor does not throw.

}  // namespace

/// Replaces the function of the C library, also for the endpoint.
extern "C" int listen(int socket, int backlog) noexcept {
  if (before_listen) before_listen();
  return static_cast<int>(::syscall(SYS_listen, socket, backlog));
}

namespace {

using namespace sluice;
using namespace sluice::test;

Render text(std::string body) {
  return [body = std::move(body)](encode::Format) { return absl::StatusOr<std::string>(body); };
}

std::string ask(const Descriptor& socket, const std::string& request) {
  send_all(socket, request);
  return read_all(socket);
}

std::string get(std::uint16_t port, const std::string& fields = "", const std::string& path = "/metrics") {
  return ask(connected(port), "GET " + path + " HTTP/1.1\r\nHost: test\r\n" + fields + "\r\n");
}

bool has(const std::string& all, std::string_view part) { return all.find(part) != std::string::npos; }

bool ends(const std::string& all, std::string_view part) {
  return all.size() >= part.size() && all.compare(all.size() - part.size(), part.size(), part) == 0;
}

std::set<std::string> threads() {
  std::set<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) paths.insert(entry.path());
  return paths;
}

}  // namespace

TEST_CASE("serve: a scrape of a recorder counts from the call on, in the format that is asked for") {
  http::Recorder recorder({.threads = 2});
  http::Worker worker = recorder.attach();
  worker.begin().finish({.status = 200, .duration_ns = 5'000});
  auto endpoint = serve(recorder);
  REQUIRE(endpoint.ok());
  REQUIRE(endpoint->port() != 0);
  for (int i = 0; i < 3; ++i) worker.begin().finish({.status = 404, .duration_ns = 5'000});

  const std::string old = get(endpoint->port());
  CHECK(old.starts_with("HTTP/1.1 200 "));
  CHECK(has(old, "Content-Type: text/plain; version=0.0.4"));
  CHECK(has(old, "Connection: close\r\n"));
  CHECK(has(old, "http_server_requests_total{status_class=\"4xx\"} 3\n"));
  CHECK(has(old, "http_server_requests_total{status_class=\"2xx\"} 0\n"));

  worker.begin().finish({.status = 404, .duration_ns = 5'000});
  const std::string open = get(endpoint->port(), "Accept: text/html\r\naccept: application/openmetrics-text\r\n");
  CHECK(has(open, "Content-Type: application/openmetrics-text; version=1.0.0"));
  CHECK(has(open, "http_server_requests_total{status_class=\"4xx\"} 4\n"));
  CHECK(ends(open, "# EOF\n"));
}

TEST_CASE("serve: HEAD is answered without a body, other methods and paths are refused") {
  auto endpoint = serve(text("body\n"), {.path = "/numbers"});
  REQUIRE(endpoint.ok());
  const std::uint16_t port = endpoint->port();
  CHECK(ends(get(port, "", "/numbers"), "\r\n\r\nbody\n"));
  CHECK(ends(get(port, "", "/numbers?a=b"), "\r\n\r\nbody\n"));
  CHECK(get(port).starts_with("HTTP/1.1 404 "));
  const std::string head = ask(connected(port), "HEAD /numbers HTTP/1.1\r\nHost: test\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 "));
  CHECK(has(head, "Content-Length: 5\r\n"));
  CHECK(ends(head, "\r\n\r\n"));
  const std::string post = ask(connected(port), "POST /numbers HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\n\r\nabc");
  CHECK(post.starts_with("HTTP/1.1 405 "));
  CHECK(has(post, "Allow: GET, HEAD\r\n"));
  CHECK(ask(connected(port), "nonsense\r\n\r\n").find("200") == std::string::npos);
}

TEST_CASE("serve: a renderer that fails is answered with 503, and tells nothing") {
  int calls = 0;
  auto endpoint = serve([&](encode::Format) -> absl::StatusOr<std::string> {
    ++calls;
    if (calls == 1) return absl::InternalError("secret");
    if (calls == 2) throw std::runtime_error("secret");
    return "well\n";
  });
  REQUIRE(endpoint.ok());
  for (int i = 0; i < 2; ++i) {
    const std::string answer = get(endpoint->port());
    CHECK(answer.starts_with("HTTP/1.1 503 "));
    CHECK(!has(answer, "secret"));
  }
  CHECK(ends(get(endpoint->port()), "well\n"));
}

TEST_CASE("serve: a large answer comes whole") {
  const std::string large(8 << 20, 'x');
  auto endpoint = serve(text(large));
  REQUIRE(endpoint.ok());
  CHECK(get(endpoint->port()).size() > large.size());
}

TEST_CASE("serve: what cannot be served is an error that says why") {
  const auto code = [](ServeOptions options) { return serve(text(""), std::move(options)).status().code(); };
  CHECK(code({.address = "localhost"}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.path = "metrics"}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.connections = 0}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.timeout = std::chrono::milliseconds(0)}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.timeout = std::chrono::milliseconds::max()}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.unix_path = std::string(200, 'x')}) == absl::StatusCode::kInvalidArgument);
  CHECK(code({.unix_path = "/nowhere/at/all"}) == absl::StatusCode::kNotFound);
  CHECK(serve(Render()).status().code() == absl::StatusCode::kInvalidArgument);
  auto first = serve(text(""));
  REQUIRE(first.ok());
  const absl::Status second = serve(text(""), {.port = first->port()}).status();
  CHECK(second.code() == absl::StatusCode::kAlreadyExists);
  CHECK(has(std::string(second.message()), std::to_string(first->port())));
}

TEST_CASE("serve: the port is free again when the endpoint ends") {
  const std::size_t before = open_descriptors();
  std::uint16_t port = 0;
  for (int i = 0; i < 20; ++i) {
    auto endpoint = serve(text("again\n"), {.port = port});
    REQUIRE(endpoint.ok());
    port = endpoint->port();
    CHECK(ends(get(port), "again\n"));
    const Descriptor idle = connected(port);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("serve: an endpoint can be moved, and assigned over another one") {
  auto first = serve(text("first\n"));
  auto second = serve(text("second\n"));
  REQUIRE((first.ok() && second.ok()));
  const std::uint16_t gone = first->port();
  Endpoint moved = *std::move(first);
  CHECK(ends(get(gone), "first\n"));
  moved = *std::move(second);
  CHECK(connected(gone).get() < 0);
  CHECK(ends(get(moved.port()), "second\n"));
}

TEST_CASE("serve: a client that is slow is cut off, and the next one is served") {
  auto endpoint = serve(text("served\n"), {.connections = 1, .timeout = std::chrono::milliseconds(200)});
  REQUIRE(endpoint.ok());
  SECTION("one that sends nothing") {
    const Descriptor slow = connected(endpoint->port());
    CHECK(ends(get(endpoint->port()), "served\n"));
    CHECK(read_all(slow).empty());
  }
  SECTION("one that never stops sending fields") {
    const Descriptor slow = connected(endpoint->port());
    send_all(slow, "GET /metrics HTTP/1.1\r\nHost: test\r\n");
    while (send_all(slow, "a:b\r\n")) ::usleep(20'000);
    CHECK(ends(get(endpoint->port()), "served\n"));
  }
}

TEST_CASE("serve: a client that went before it was accepted occupies no connection") {
  auto endpoint = serve(text("served\n"), {.connections = 1, .timeout = std::chrono::hours(1)});
  REQUIRE(endpoint.ok());
  Descriptor first = connected(endpoint->port());
  CHECK(send_all(first, "GET /met"));
  {
    const Descriptor second = connected(endpoint->port());
    CHECK(send_all(second, "GET /met"));
  }
  first = Descriptor();
  const Descriptor third = connected(endpoint->port());
  const timeval patience{.tv_sec = 60, .tv_usec = 0};
  ::setsockopt(third.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  CHECK(ends(ask(third, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"), "served\n"));
}

TEST_CASE("serve: a client that has sent all and says so gets its answer") {
  auto endpoint = serve(text(std::string(8 << 20, 'x') + "served\n"), {.connections = 1});
  REQUIRE(endpoint.ok());
  for (int i = 0; i < 5; ++i) {
    const Descriptor waiting = connected(endpoint->port());
    const Descriptor client = connected(endpoint->port());
    CHECK(send_all(client, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"));
    CHECK(::shutdown(client.get(), SHUT_WR) == 0);
    CHECK(::shutdown(waiting.get(), SHUT_WR) == 0);
    CHECK(ends(read_all(client), "served\n"));
  }
}

TEST_CASE("serve: a client that does not read its answer is cut off") {
  auto endpoint =
      serve(text(std::string(64 << 20, 'x')), {.connections = 1, .timeout = std::chrono::milliseconds(200)});
  REQUIRE(endpoint.ok());
  const Descriptor slow = connected(endpoint->port());
  send_all(slow, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
  CHECK(get(endpoint->port(), "", "/other").starts_with("HTTP/1.1 404 "));
}

TEST_CASE("serve: header fields without end do not fill the memory") {
  auto endpoint = serve(text(""), {.timeout = std::chrono::hours(1)});
  REQUIRE(endpoint.ok());
  const Descriptor flood = connected(endpoint->port());
  send_all(flood, "GET /metrics HTTP/1.1\r\nHost: test\r\n");
  const std::string field = "X-Field: " + std::string(1000, 'x') + "\r\n";
  int sent = 0;
  while (sent < 100'000 && send_all(flood, field)) ++sent;
  CHECK(sent < 100'000);
}

TEST_CASE("serve: the end waits for no client") {
  auto endpoint = serve(text(""), {.timeout = std::chrono::hours(1)});
  REQUIRE(endpoint.ok());
  const Descriptor idle = connected(endpoint->port());
  const Descriptor half = connected(endpoint->port());
  send_all(half, "GET /met");
  endpoint = absl::CancelledError();
  CHECK(read_all(idle).empty());
  CHECK(read_all(half).empty());
}

TEST_CASE("serve: a Unix socket is for its owner, and its name is removed at the end") {
  const Folder folder;
  const std::string path = folder / "socket";
  {
    auto endpoint = serve(text("local\n"), {.unix_path = path});
    REQUIRE(endpoint.ok());
    CHECK(endpoint->port() == 0);
    struct stat status {};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(ends(ask(connected(path), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "local\n"));
    CHECK(serve(text(""), {.unix_path = path}).status().code() == absl::StatusCode::kAlreadyExists);
    CHECK(ends(ask(connected(path), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "local\n"));
  }
  CHECK(!std::filesystem::exists(path));
  auto open = serve(text(""), {.unix_path = path, .unix_mode = 0666});
  REQUIRE(open.ok());
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0666);
}

TEST_CASE("serve: the name of a dead process is taken, that of something else is not") {
  const Folder folder;
  const std::string path = folder / "socket";
  { const Descriptor dead = bound(SOCK_STREAM, path); }
  CHECK(serve(text(""), {.unix_path = path}).ok());
  std::ofstream(path) << "a file";
  CHECK(serve(text(""), {.unix_path = path}).status().code() == absl::StatusCode::kAlreadyExists);
  CHECK(std::filesystem::is_regular_file(path));
}

TEST_CASE("serve: a name that another process has taken since is left to it") {
  const Folder folder;
  const std::string path = folder / "socket";
  auto first = serve(text("first\n"), {.unix_path = path});
  REQUIRE(first.ok());
  std::filesystem::remove(path);
  auto second = serve(text("second\n"), {.unix_path = path});
  REQUIRE(second.ok());
  first = absl::CancelledError();
  CHECK(ends(ask(connected(path), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "second\n"));
}

TEST_CASE("serve: the mode is not that of a file to which a link was put in place of the socket") {
  const Folder folder;
  const std::string path = folder / "socket";
  const std::string other = folder / "other";
  std::ofstream(other) << "a file";
  REQUIRE(::chmod(other.c_str(), 0600) == 0);
  before_listen = [&] {
    std::filesystem::remove(path);
    std::filesystem::create_symlink(other, path);
  };
  const bool serves = serve(text(""), {.unix_path = path, .unix_mode = 0666}).ok();
  before_listen = nullptr;
  struct stat status {};
  REQUIRE(::stat(other.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(!serves);
}

TEST_CASE("serve: a forked child that ends its copy leaves the endpoint alone") {
  const Folder folder;
  auto port = serve(text("parent\n"));
  auto name = serve(text("parent\n"), {.unix_path = folder / "socket"});
  REQUIRE((port.ok() && name.ok()));
  const pid_t child = ::fork();
  if (child == 0) {
    port = absl::CancelledError();
    name = absl::CancelledError();
    ::_exit(0);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(ends(get(port->port()), "parent\n"));
  CHECK(ends(ask(connected(folder / "socket"), "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), "parent\n"));
}

TEST_CASE("serve: the thread takes no signals") {
  const std::set<std::string> before = threads();
  auto endpoint = serve(text(""));
  REQUIRE(endpoint.ok());
  int new_threads = 0;
  for (const std::string& thread : threads()) {
    if (before.count(thread) != 0) continue;
    std::ifstream status(thread + "/status");
    for (std::string line; std::getline(status, line);) {
      if (!line.starts_with("SigBlk:")) continue;
      const std::uint64_t blocked = std::stoull(line.substr(7), nullptr, 16);
      for (const int signal : {SIGTERM, SIGINT, SIGUSR1, SIGCHLD, SIGPIPE, SIGALRM}) {
        CHECK((blocked >> (signal - 1) & 1) == 1);
      }
      ++new_threads;
    }
  }
  CHECK(new_threads >= 1);  // ThreadSanitizer starts a thread of its own beside it
  sigset_t own;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &own);
  CHECK(!::sigismember(&own, SIGTERM));
}

TEST_CASE("serve: without a descriptor for a connection the endpoint waits without using the processor") {
  auto endpoint = serve(text("up 1\n"));
  REQUIRE(endpoint.ok());
  const Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{.rlim_cur = 3, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const sockaddr_in address = loopback(endpoint->port());
  const int connected = ::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const std::clock_t from = std::clock();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const std::clock_t used = std::clock() - from;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(connected == 0);
  CHECK(used < CLOCKS_PER_SEC / 50);
  CHECK(ends(ask(client, "GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n"), "up 1\n"));
}
