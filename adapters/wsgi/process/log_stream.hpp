// sys.stdout, sys.stderr and wsgi.errors: text streams whose lines go to the error log, tagged with the request that
// the writing thread serves.
#pragma once

#include <Python.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "bindings/host.hpp"
#include "bindings/object.hpp"

namespace sluice::wsgi {

enum class Stream : std::uint8_t { kOutput, kError, kRequestErrors };

inline constexpr std::size_t kStreams = 3;

/// Text on its way to the log, cut into lines.
class LineBuffer {
 public:
  /// Gives each whole line to `emit`. What has no end yet waits.
  template <class Emit>
  void append(std::string_view text, Emit&& emit) {
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      partial_ += text.substr(0, end);
      text.remove_prefix(end + 1);
      flush(emit);
    }
    partial_ += text;
    if (partial_.size() >= kLongest) flush(emit);
  }

  /// Gives what is waiting, if anything.
  template <class Emit>
  void flush(Emit&& emit) {
    // The log's lines are C strings.
    for (std::size_t at = partial_.find('\0'); at != std::string::npos; at = partial_.find('\0', at)) {
      partial_.replace(at, 1, "\\x00");
    }
    for (std::string_view rest = partial_; !rest.empty(); rest.remove_prefix(std::min(kLongest, rest.size()))) {
      emit(rest.substr(0, kLongest));
    }
    partial_.clear();
  }

 private:
  static constexpr std::size_t kLongest = 4096;  ///< A longer line is logged in pieces.

  std::string partial_;
};

/// The type mod_wsgi.Log, the binary stream under each text stream; null with an exception set.
[[nodiscard]] bindings::Object make_log_type();

/// A new text stream over a new mod_wsgi.Log; null with an exception set. `host` logs what belongs to no request.
[[nodiscard]] bindings::Object make_log_stream(PyObject* type, Stream stream, const bindings::Host& host);

}  // namespace sluice::wsgi
