// wsgi.input: the body of a request as a file that can be read.
#pragma once

#include <Python.h>

#include <cstddef>
#include <string>

#include "adapters/wsgi/request/exchange.hpp"
#include "adapters/wsgi/request/measurement.hpp"
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

  /// How much room to make for a read of up to `limit` bytes more, when there are so many already: what is at hand if
  /// that is all, or what was declared and a byte more, which shows the end. 0 at the end.
  [[nodiscard]] std::size_t expected(std::size_t limit, std::size_t already) const;

  /// As much as there is room for, fewer only at the end. Without the lock, unless that much is at hand.
  [[nodiscard]] absl::StatusOr<std::size_t> read(absl::Span<char> into);

  /// What was read may be lost, for want of memory: from now on there is nothing but an error.
  void give_up() { broken_ = absl::ResourceExhaustedError("there was not enough memory before"); }

  /// Up to and with the next line end, at most `limit` bytes. Without the lock, unless they are at hand.
  [[nodiscard]] absl::StatusOr<std::string> read_line(std::size_t limit);

 private:
  /// One counted read, by a function without arguments.
  template <class Read>
  absl::StatusOr<std::size_t> read_once(Read&& read);
  /// The same into the buffer. False if it would wait, or if there is no more.
  template <class Read>
  bool buffer_once(Read&& read);
  template <class Enough>
  [[nodiscard]] bool arrived(Enough&& enough);
  [[nodiscard]] absl::Status fill();
  [[nodiscard]] std::size_t buffered() const noexcept { return buffer_.size() - taken_; }
  std::size_t take(absl::Span<char> into);
  [[nodiscard]] std::string take_line(std::size_t size);

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
