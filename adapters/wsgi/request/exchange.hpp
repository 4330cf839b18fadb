// One HTTP exchange, as far as PEP 3333 needs it of a server. A server adapter implements it; nothing in here knows
// Python, and none of it is called with the lock of an interpreter held unless it says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "adapters/wsgi/request/response_head.hpp"
#include "bindings/host.hpp"

namespace sluice::wsgi {

class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  /// The variables of the request, CGI and server, for the environ. Keys are ASCII. May be called with the lock held.
  virtual void each_variable(absl::FunctionRef<void(std::string_view key, std::string_view value)> add) const = 0;

  [[nodiscard]] virtual bool https() const = 0;

  /// What the server's logs call the request; empty if they have no name for it.
  [[nodiscard]] virtual std::string_view id() const = 0;

  /// The request has a body, declared by length or chunked.
  [[nodiscard]] virtual bool has_body() const = 0;

  /// What the request says of the length of its body, not checked; 0 if it says nothing.
  [[nodiscard]] virtual std::uint64_t declared_length() const = 0;

  /// Reads on until there are at least `least` bytes of the body, not 0, or its end or an error; 0 only at the end.
  /// Blocks. An error that comes after some bytes is that of the next call. Errors are final: the body cannot be had
  /// whole, and each further call says so.
  [[nodiscard]] virtual absl::StatusOr<std::size_t> read(absl::Span<char> into, std::size_t least) = 0;

  /// Reads some of what has arrived already, 0 at the end of the body: Unavailable if that is nothing, or cannot be
  /// told. Does not block. May be called with the lock held.
  [[nodiscard]] virtual absl::StatusOr<std::size_t> read_arrived(absl::Span<char> into) = 0;

  /// Whether a response of this status has a body on the wire: not to a HEAD request, and not 204 or 304.
  [[nodiscard]] virtual bool sends_body(int status) const = 0;

  /// Takes the head of the response over, which keeps the rules of head_rules.hpp. Not sent before there is something
  /// to send. May be called with the lock held.
  virtual absl::Status begin_response(const ResponseHead& head) = 0;

  /// Sends blocks of the body, and the head before the first. Returns once they were written out. With `last` the
  /// response ends there. Cancelled if the client is gone. Blocks.
  virtual absl::Status write(absl::Span<const std::string_view> blocks, bool last) = 0;

  /// Sends a part of a regular file as the whole body. The descriptor stays the caller's. Blocks.
  virtual absl::Status send_file(int descriptor, std::uint64_t offset, std::uint64_t length) = 0;

  /// The response ends short of what was begun, and the client has to see it: no end is marked, the connection closes.
  virtual void break_off() = 0;

  /// One line for the error log, tagged with the request. May be called with the lock held.
  virtual void log(LogLevel level, std::string_view line) const noexcept = 0;

  /// Held by the thread that reads or sends, because an application may do both at a time on several threads and no
  /// server's connection allows that. It is not waited for with the lock of an interpreter held, and no Python code
  /// runs while it is held.
  [[nodiscard]] std::mutex& turn() noexcept { return turn_; }

 private:
  std::mutex turn_;
};

}  // namespace sluice::wsgi
