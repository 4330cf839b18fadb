// SPDX-License-Identifier: Apache-2.0
// The interface of one HTTP exchange that PEP 3333 needs. Each server implements it. Knows nothing of Python. The
// caller of a member holds no GIL, except where the member allows it.
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

/// A part of a regular file.
struct FilePart {
  int descriptor;
  std::uint64_t offset;
  std::uint64_t length;
  bool whole_body;  ///< The body is complete with it.
};

/// Source of the lines that an application has begun to write and not ended.
class UnfinishedLines {
 public:
  /// Passes each unfinished line to `emit` and forgets it. Runs no Python code.
  virtual void flush(absl::FunctionRef<void(std::string_view line)> emit) = 0;

 protected:
  ~UnfinishedLines() = default;
};

class Exchange {
 public:
  Exchange() = default;
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;
  virtual ~Exchange() = default;

  /// Calls `add` with each variable of the request, for the environ. Keys are ASCII. The caller may hold the GIL.
  virtual void each_variable(absl::FunctionRef<void(std::string_view key, std::string_view value)> add) const = 0;

  [[nodiscard]] virtual bool https() const = 0;

  /// Returns the identifier of the request in the server's logs; empty when it has none.
  [[nodiscard]] virtual std::string_view id() const = 0;

  /// Whether the request has a body, with a declared length or chunked.
  [[nodiscard]] virtual bool has_body() const = 0;

  /// Returns the unchecked Content-Length of the request; 0 when there is none.
  [[nodiscard]] virtual std::uint64_t declared_length() const = 0;

  /// Reads at least `least` bytes of the body, which is greater than 0, or fewer at the end of the body and before an
  /// error. Returns 0 only at the end. Blocks. An error after some bytes is returned by the next call. Errors are
  /// final: each further call returns one.
  [[nodiscard]] virtual absl::StatusOr<std::size_t> read(absl::Span<char> into, std::size_t least) = 0;

  /// Reads bytes of the body that have arrived already; 0 at the end of the body. Returns Unavailable when none have
  /// arrived. Does not block. The caller may hold the GIL.
  [[nodiscard]] virtual absl::StatusOr<std::size_t> read_arrived(absl::Span<char> into) = 0;

  /// Whether a response of this status has a body on the wire. It has none for a HEAD request, 204 and 304.
  [[nodiscard]] virtual bool sends_body(int status) const = 0;

  /// Begins the response. The head keeps the rules of head_rules.hpp; it is sent with the first block or with the end.
  /// The caller may hold the GIL.
  virtual absl::Status begin_response(const ResponseHead& head) = 0;

  /// Sends blocks of the body and returns when they are written out. With `last` the response ends after them. Returns
  /// Cancelled when the client has closed the connection. Blocks.
  virtual absl::Status write(absl::Span<const std::string_view> blocks, bool last) = 0;

  /// Sends a part of a regular file as the whole body. write() with `last` follows for a complete body, and break_off()
  /// for another. The caller keeps the descriptor. Fails as write() does. Blocks.
  virtual absl::Status send_file(const FilePart& part) = 0;

  /// Ends an incomplete response: marks no end and closes the connection, so that the client can tell.
  virtual void break_off() = 0;

  /// Whether the error log takes lines of this level. True when that is not known. The caller may hold the GIL.
  [[nodiscard]] virtual bool logs(LogLevel) const noexcept { return true; }

  /// Writes one line to the error log, tagged with the request. The caller may hold the GIL.
  virtual void log(LogLevel level, std::string_view line) const noexcept = 0;

  /// Returns the server's own object for the request, for applications that know it; null when they get none.
  [[nodiscard]] virtual void* native_request() const noexcept { return nullptr; }

  /// Tells that code of the application may still write lines after the end of the response, so the server must keep
  /// the path of log lines open after the end. Called before the end is sent. The caller may hold the GIL.
  virtual void expect_lines_after_end() noexcept {}

  /// Sets the source whose lines belong before the end of the response; null when there is none. For the thread that
  /// serves the request.
  void set_unfinished_lines(UnfinishedLines* lines) noexcept { unfinished_lines_ = lines; }

  /// Locked by the thread that reads or sends, because an application may do both on several threads at once and a
  /// server's connection does not allow that. A thread that waits for it holds no GIL, and a thread that has locked it
  /// runs no Python code.
  [[nodiscard]] std::mutex& io_mutex() const noexcept { return io_mutex_; }

 protected:
  [[nodiscard]] UnfinishedLines* unfinished_lines() const noexcept { return unfinished_lines_; }

 private:
  mutable std::mutex io_mutex_;
  UnfinishedLines* unfinished_lines_ = nullptr;
};

}  // namespace sluice::wsgi
