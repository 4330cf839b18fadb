// SPDX-License-Identifier: Apache-2.0
// Text of an application on its way to the error log, cut into lines. Knows nothing of Python.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sluice::wsgi {

/// The streams whose text goes to the error log.
enum class Stream : std::uint8_t { kOutput, kError, kRequestErrors };

inline constexpr std::size_t kStreams = 3;

/// Collects text until a line is complete. Used by one thread at a time.
class LineBuffer {
 public:
  /// Passes each complete line to `emit(std::string_view)`. The rest waits for its end, for flush(), or until it is as
  /// long as a line may be.
  template <class Emit>
  void append(std::string_view text, Emit&& emit) {
    for (std::size_t end = text.find('\n'); end != std::string_view::npos; end = text.find('\n')) {
      partial_ += text.substr(0, end);
      text.remove_prefix(end + 1);
      if (partial_.empty() && !begun_) emit(std::string_view(partial_));
      flush(emit);
      begun_ = false;
    }
    partial_ += text;
    if (partial_.size() >= kLongestBytes) flush(emit);
  }

  /// Passes the incomplete line to `emit`, if there is one.
  template <class Emit>
  void flush(Emit&& emit) {
    begun_ = begun_ || !partial_.empty();
    // The error log takes C strings, so a zero byte would cut the line off.
    for (std::size_t at = partial_.find('\0'); at != std::string::npos; at = partial_.find('\0', at)) {
      partial_.replace(at, 1, "\\x00");
    }
    for (std::string_view rest = partial_; !rest.empty(); rest.remove_prefix(std::min(kLongestBytes, rest.size()))) {
      emit(rest.substr(0, kLongestBytes));
    }
    partial_.clear();
  }

  /// Whether there is an incomplete line.
  [[nodiscard]] bool has_unfinished() const noexcept { return !partial_.empty(); }

 private:
  static constexpr std::size_t kLongestBytes = 4096;  ///< A longer line is logged in pieces.

  std::string partial_;
  bool begun_ = false;  ///< The beginning of the current line has been passed on, so its end makes no empty line.
};

}  // namespace sluice::wsgi
