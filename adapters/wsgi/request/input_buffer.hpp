// SPDX-License-Identifier: Apache-2.0
// The buffer between an application and the body of its request. Knows nothing of Python.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"

namespace sluice::wsgi {

/// The buffer over Exchange::read() behind the Python object. One thread uses it at a time: wsgi.input refuses a
/// second.
class InputBuffer {
 public:
  InputBuffer(Exchange& exchange, Measurement& measurement) noexcept
      : exchange_(exchange), measurement_(measurement), ended_(!exchange.has_body()) {}

  /// Whether `limit` bytes, or a line of at most as many, can be read without waiting. Buffers bytes that have arrived.
  /// The caller holds the GIL.
  [[nodiscard]] bool available(std::size_t limit);
  [[nodiscard]] bool line_available(std::size_t limit);

  /// Returns the memory to reserve for a read of up to `limit` more bytes after `already` bytes: the buffered bytes if
  /// they suffice, else the rest of the declared length and one more byte, which detects the end. Returns 0 at the end.
  [[nodiscard]] std::size_t bytes_to_read(std::size_t limit, std::size_t already) const;

  /// Fills `into`; reads fewer bytes only at the end of the body. The caller holds no GIL, unless available().
  [[nodiscard]] absl::StatusOr<std::size_t> read(absl::Span<char> into);

  /// Makes further reads fail, because bytes may have been lost when memory was exhausted.
  void fail() { broken_ = absl::ResourceExhaustedError("there was not enough memory before"); }

  /// Reads up to and including the next line end, at most `limit` bytes. The caller holds no GIL, unless
  /// line_available().
  [[nodiscard]] absl::StatusOr<std::string> read_line(std::size_t limit);

 private:
  /// Calls `read()` once and measures it.
  template <class Read>
  absl::StatusOr<std::size_t> read_once(Read&& read);
  /// Reads once into the buffer. Returns false when it would wait, and at the end of the body.
  template <class Read>
  bool buffer_once(Read&& read);
  template <class Enough>
  [[nodiscard]] bool buffer_until(Enough&& enough);
  [[nodiscard]] absl::Status fill();
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - consumed_; }
  std::size_t take(absl::Span<char> into);
  [[nodiscard]] std::string take_line(std::size_t size);

  Exchange& exchange_;
  Measurement& measurement_;
  std::string buffer_;
  std::size_t consumed_ = 0;  ///< Bytes of the buffer that have been read.
  bool ended_;
  absl::Status broken_;
};

}  // namespace sluice::wsgi
