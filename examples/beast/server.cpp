// SPDX-License-Identifier: Apache-2.0
// server PORT: a server on Boost.Beast that records its requests and serves them to Prometheus under /metrics. One
// io_context is run by a pool of threads, which `POST /threads/N` makes larger or smaller. A connection is a coroutine
// that continues on any free thread. A request is a variable of the coroutine, so it can begin on one thread and end on
// another, and there can be any number of requests in flight. The worker is therefore a shared one, and the recorder
// need not know the threads. SIGTERM ends the server when the requests in flight have been answered.
#include <utility>  // Boost 1.74 uses it without including it

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "pool.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/http.hpp"

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;
using namespace std::chrono_literals;
using HttpRequest = http::request<http::string_body>;
using Answer = http::response<http::string_body>;
using Stream = std::shared_ptr<beast::tcp_stream>;

constexpr auto kIdleTimeout = 30s;
constexpr std::size_t kThreads = 4;
constexpr std::size_t kMostThreads = 64;

std::optional<std::size_t> number(std::string_view text, std::size_t most) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  const bool whole = error == std::errc() && end == text.end();
  return whole && value >= 1 && value <= most ? std::optional(value) : std::nullopt;
}

/// Returns the answer to bytes that the parser does not take for a request.
Answer refuse(beast::error_code error) {
  Answer answer(http::status::bad_request, 11);
  if (error == http::error::body_limit) answer.result(http::status::payload_too_large);
  if (error == http::error::header_limit) answer.result(http::status::request_header_fields_too_large);
  return answer;
}

/// Returns true if a client sent something else than a request, and false if it left or was too slow.
bool is_malformed(beast::error_code error) {
  return error.category() == make_error_code(http::error::end_of_stream).category() &&
         error != http::error::end_of_stream && error != http::error::partial_message;
}

class Server {
 public:
  /// Throws boost::system::system_error when the port cannot be had.
  explicit Server(std::uint16_t port) : acceptor_(strand_, {asio::ip::address_v4::loopback(), port}) {}

  void run() {
    signals_.async_wait([this](beast::error_code, int) { stop(); });
    asio::co_spawn(strand_, accept(), asio::detached);
    pool_.resize(kThreads);
    pool_.join();
  }

 private:
  /// A connection, for as long as it is served.
  class Open {
   public:
    Open(Server& server, const Stream& stream) : server_(server), stream_(stream) {
      const std::lock_guard lock(server_.mutex_);
      server_.streams_.insert(stream_);
    }
    Open(const Open&) = delete;
    Open& operator=(const Open&) = delete;
    ~Open() {
      const std::lock_guard lock(server_.mutex_);
      server_.streams_.erase(stream_);
    }

   private:
    Server& server_;
    const Stream& stream_;
  };

  asio::awaitable<void> accept() {
    while (acceptor_.is_open()) {
      beast::error_code error;
      auto stream = std::make_shared<beast::tcp_stream>(asio::make_strand(context_));
      co_await acceptor_.async_accept(stream->socket(), asio::redirect_error(asio::use_awaitable, error));
      if (!error && acceptor_.is_open()) {
        asio::co_spawn(stream->get_executor(), serve(stream), asio::detached);
      } else if (acceptor_.is_open()) {  // for example too many open files; connections that end free some
        co_await asio::steady_timer(strand_, 100ms).async_wait(asio::use_awaitable);
      }
    }
  }

  asio::awaitable<void> serve(Stream stream) {
    beast::error_code error;
    beast::flat_buffer buffer;
    const Open open(*this, stream);
    for (bool again = true; again && !stopping_;) {
      HttpRequest request;
      stream->expires_after(kIdleTimeout);
      co_await http::async_read(*stream, buffer, request, asio::redirect_error(asio::use_awaitable, error));
      const bool malformed = is_malformed(error);
      if (error && !malformed) break;
      sluice::http::InFlight in_flight;  // counts as failed when its answer cannot be sent
      if (malformed || request.target() != "/metrics") in_flight = worker_.begin();
      Answer answer = refuse(error);  // replaced below if there is a request
      if (!malformed) answer = co_await handle(request);
      again = !malformed && request.keep_alive() && !stopping_;
      answer.keep_alive(again);
      answer.prepare_payload();
      stream->expires_after(kIdleTimeout);
      co_await http::async_write(*stream, answer, asio::redirect_error(asio::use_awaitable, error));
      if (error) break;
      in_flight.finish({.status = static_cast<int>(answer.result_int()),
                        .request_bytes = request.body().size(),
                        .response_bytes = answer.body().size()});
    }
  }

  asio::awaitable<Answer> handle(const HttpRequest& request) {
    const std::string_view target(request.target().data(), request.target().size());
    Answer answer(http::status::ok, request.version());
    answer.set(http::field::content_type, "text/plain");
    const bool get = request.method() == http::verb::get;
    if (get && target == "/hello") {
      answer.body() = "Hello World!";
    } else if (get && target == "/slow") {  // the wait occupies no thread
      co_await asio::steady_timer(co_await asio::this_coro::executor, 200ms).async_wait(asio::use_awaitable);
      answer.body() = "Hello at last!";
    } else if (get && target == "/metrics") {
      expose(request, answer);
    } else if (const auto threads = threads_wanted(request.method(), target)) {
      pool_.resize(*threads);
    } else {
      answer.result(http::status::not_found);
    }
    co_return answer;
  }

  static std::optional<std::size_t> threads_wanted(http::verb method, std::string_view target) {
    constexpr std::string_view kPath = "/threads/";
    if (method != http::verb::post || !target.starts_with(kPath)) return std::nullopt;
    return number(target.substr(kPath.size()), kMostThreads);
  }

  void expose(const HttpRequest& request, Answer& answer) {
    sluice::Window window;
    if (!scraped_.read(window).ok()) {
      answer.result(http::status::service_unavailable);
      return;
    }
    const auto accept = request[http::field::accept];
    const auto format = sluice::encode::negotiate({accept.data(), accept.size()});
    sluice::encode::fill(answer.body(), [&](std::span<char> out) {
      return sluice::encode::exposition({.window = &window}, {.format = format}, out);
    });
    answer.set(http::field::content_type, std::string(sluice::encode::content_type(format)));
  }

  /// On the acceptor's strand. A connection that waits for a request sees the end of its input.
  void stop() {
    stopping_ = true;
    acceptor_.close();
    const std::lock_guard lock(mutex_);
    for (const Stream& stream : streams_) {
      asio::post(stream->get_executor(), [stream] {
        beast::error_code gone;
        stream->socket().shutdown(tcp::socket::shutdown_receive, gone);
      });
    }
  }

  sluice::http::Recorder recorder_{{.event_loops = true}};
  sluice::http::Worker worker_ = recorder_.attach_shared();
  sluice::CumulativeReader scraped_{recorder_.add_reader()};

  asio::io_context context_;
  asio::strand<asio::io_context::executor_type> strand_ = asio::make_strand(context_);
  asio::signal_set signals_{strand_, SIGTERM, SIGINT};
  tcp::acceptor acceptor_;
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::set<Stream> streams_;
  Pool pool_{context_};
};

}  // namespace

int main(int count, char** values) {
  const auto port = number(count == 2 ? values[1] : "", 65535);
  if (!port) {
    std::cerr << "server: one argument is needed, a port from 1 to 65535\n";
    return 2;
  }
  try {
    Server(static_cast<std::uint16_t>(*port)).run();
  } catch (const std::exception& error) {
    std::cerr << "server: port " << *port << " cannot be served: " << error.what() << '\n';
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
