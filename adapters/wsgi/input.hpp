// wsgi.input: the body of a request as a file that can be read.
#pragma once

#include <Python.h>

#include <cstddef>
#include <string>

#include "adapters/wsgi/exchange.hpp"
#include "adapters/wsgi/measurement.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

/// The reading behind the Python object: a buffer over Exchange::read. Not thread-safe; the lock and `reading` guard
/// it.
class InputBuffer {
 public:
  InputBuffer(Exchange& exchange, Measurement& measurement) noexcept
      : exchange_(exchange), measurement_(measurement), ended_(!exchange.has_body()) {}

  /// True if a read of so much, or of a line so long, needs no waiting. Takes what has arrived. With the lock.
  [[nodiscard]] bool at_hand(std::size_t limit);
  [[nodiscard]] bool line_at_hand(std::size_t limit);

  /// Up to `limit` bytes, fewer only at the end. Without the lock, unless they are at hand.
  [[nodiscard]] absl::StatusOr<std::string> read(std::size_t limit);

  /// Up to and with the next line end, at most `limit` bytes. Without the lock, unless they are at hand.
  [[nodiscard]] absl::StatusOr<std::string> read_line(std::size_t limit);

 private:
  /// Reads once more. False if that would wait, or if there is no more.
  template <class Read>
  bool read_once(Read&& read);
  template <class Enough>
  [[nodiscard]] bool arrived(Enough&& enough);
  [[nodiscard]] absl::Status fill();
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - taken_; }
  [[nodiscard]] std::string take(std::size_t size);

  Exchange& exchange_;
  Measurement& measurement_;
  std::string buffer_;
  std::size_t taken_ = 0;  ///< Of the buffer.
  bool ended_;
  absl::Status broken_;
};

/// The type mod_wsgi.Input of the current interpreter; null with an exception set.
[[nodiscard]] bindings::Object make_input_type();

/// A new wsgi.input. `input` must live until finish_input().
[[nodiscard]] bindings::Object make_input(PyObject* type, InputBuffer& input, Measurement& measurement);

/// The request is over: later calls of the object raise RuntimeError. Waits for a thread of the application that is
/// still inside a read. With the lock.
void finish_input(PyObject* input, Measurement& measurement);

}  // namespace sluice::wsgi
