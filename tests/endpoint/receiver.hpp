// SPDX-License-Identifier: Apache-2.0
// A receiver of HTTP requests that behaves as a test says.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "sockets.hpp"

namespace sluice::test {

/// Serves one connection at a time.
class Receiver {
 public:
  struct Received {
    std::string head;
    std::string body;
  };
  /// Returns the whole answer to a request, from the number of the request; none: it hangs.
  using Answer = std::function<std::optional<std::string>(std::size_t)>;

  explicit Receiver(Answer answer, std::uint16_t port = 0)
      : answer_(std::move(answer)), listener_(bound(SOCK_STREAM, port)) {
    ::listen(listener_.get(), 16);
    thread_ = std::thread([this] { run(); });
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;
  ~Receiver() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      if (connection_.get() >= 0) ::shutdown(connection_.get(), SHUT_RDWR);
    }
    thread_.join();
  }

  [[nodiscard]] std::uint16_t port() const { return port_of(listener_); }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port()) + "/v1/metrics"; }
  [[nodiscard]] std::vector<Received> received() const {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  void run() {
    while (true) {
      Descriptor accepted(::accept(listener_.get(), nullptr, nullptr));
      {
        const std::lock_guard lock(mutex_);
        if (ending_ || accepted.get() < 0) return;
        connection_ = std::move(accepted);
      }
      while (serve_one()) {
      }
      const std::lock_guard lock(mutex_);
      connection_ = Descriptor();
    }
  }

  bool serve_one() {
    std::string text;
    std::size_t end = std::string::npos;
    while ((end = text.find("\r\n\r\n")) == std::string::npos) {
      if (!more(text)) return false;
    }
    const std::size_t field = text.find("Content-Length: ");
    const std::size_t length = field == std::string::npos ? 0 : std::stoul(text.substr(field + 16));
    while (text.size() < end + 4 + length) {
      if (!more(text)) return false;
    }
    std::size_t number = 0;
    {
      const std::lock_guard lock(mutex_);
      number = received_.size();
      received_.push_back({text.substr(0, end), text.substr(end + 4)});
    }
    const std::optional<std::string> answer = answer_(number);
    if (answer) return send_all(connection_, *answer);
    while (more(text)) {
    }
    return false;
  }

  bool more(std::string& text) const {
    char buffer[4096];
    const ssize_t got = ::recv(connection_.get(), buffer, sizeof buffer, 0);
    if (got > 0) text.append(buffer, static_cast<std::size_t>(got));
    return got > 0;
  }

  Answer answer_;
  Descriptor listener_;
  mutable std::mutex mutex_;
  bool ending_ = false;
  Descriptor connection_;
  std::vector<Received> received_;
  std::thread thread_;
};

inline std::string answer(int status, const std::string& fields = "") {
  return "HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: 0\r\n" + fields + "\r\n";
}

/// Waits until something is true. A test that waits in vain is ended by the time limit of its runner.
template <class Condition>
void wait_until(Condition&& condition) {
  while (!condition()) ::usleep(1000);
}

}  // namespace sluice::test
