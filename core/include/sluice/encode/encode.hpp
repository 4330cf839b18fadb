// What the encoders of windows have in common. Each writes text or bytes of one format into a buffer of the caller's
// and allocates nothing, so that a process may export from any thread at any time. The values are the recorder's
// integers: no rounding happens before the receiver makes floating-point numbers of them.
//
//   std::string buffer;
//   sluice::encode::fill(buffer, [&](std::span<char> out) {
//     return sluice::encode::exposition({.window = &window}, {}, out);
//   });
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "sluice/phase.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice::encode {

/// What is encoded: a window, the lifetime totals, or both. Nothing of a window that was not given is in the output.
/// With both, the counts are the window's, and the totals add what only they have.
struct Source {
  const Window* window = nullptr;
  const ProcessTotals* totals = nullptr;
};

/// A label, tag or attribute. Any bytes: each format escapes what it has to, and writes U+FFFD for what is no UTF-8.
/// What cannot stand in a name becomes an underscore. A label without a name, one whose name as written came before,
/// and one whose name the encoder uses itself (`le`, `phase`, `status_class`, `thread`) are left out.
struct Label {
  std::string_view name;
  std::string_view value;
};

using Labels = std::span<const Label>;

/// Where a histogram's bounds are written. Buckets are [lower, upper) over whole microseconds; the formats know "at
/// most the bound" only.
enum class Bounds : std::uint8_t {
  /// The last microsecond below the upper bound: 0.001249 for 1.25 ms. Every count is then exactly that of the requests
  /// that were recorded with at most this duration.
  kExact,
  /// The upper bound itself. Rounder, and the name of the bound in other systems; requests that were recorded with just
  /// this duration are counted one bucket too high. The bounds of the conventions are round and exact in either case.
  kRound,
};

/// Which bounds a histogram is written with. Each is an exact merge of what was recorded; see view.hpp.
enum class Resolution : std::uint8_t {
  kByFormat,        ///< kOtelHttpBounds for the duration of requests in OTLP, kQuarterOctaves for everything else.
  kQuarterOctaves,  ///< 64 bounds: 1.25 ms, 1.5 ms, ..., 65.536 s.
  kOctaves,         ///< 24 bounds: 8 us, 16 us, 32 us, 63 us, 125 us, 250 us, 500 us, 1 ms, 2 ms, ..., 65.536 s.
  kOtelHttpBounds,  ///< 14 bounds: 5 ms, 10 ms, 25 ms, ..., 10 s, as OpenTelemetry advises.
  kAll,             ///< All of these.
};

/// The phases whose durations are written.
class PhaseSet {
 public:
  constexpr PhaseSet() noexcept = default;
  template <class... Phases>
  constexpr explicit PhaseSet(Phases... phases) noexcept
      : bits_(static_cast<std::uint8_t>(((1U << index(phases)) | ... | 0U))) {}

  [[nodiscard]] constexpr bool has(Phase phase) const noexcept { return (bits_ >> index(phase) & 1U) != 0; }

  [[nodiscard]] static constexpr PhaseSet all() noexcept {
    PhaseSet set;
    set.bits_ = UINT8_MAX;
    return set;
  }

 private:
  std::uint8_t bits_ = 0;
};

/// How a histogram is written, and of which phases. Those that the mode does not have are never written.
struct Histograms {
  PhaseSet phases = PhaseSet::all();
  Bounds bounds = Bounds::kExact;
  Resolution resolution = Resolution::kByFormat;
};

/// What became of an encoding. The buffer holds all of it, or nothing of use.
class [[nodiscard]] Encoded {
 public:
  constexpr Encoded(std::size_t needed_bytes, std::size_t buffer_bytes) noexcept
      : bytes_(needed_bytes), complete_(needed_bytes <= buffer_bytes) {}

  /// The length of the whole, whether or not it did fit.
  [[nodiscard]] constexpr std::size_t bytes() const noexcept { return bytes_; }
  /// True if all of it is in the buffer.
  [[nodiscard]] constexpr bool complete() const noexcept { return complete_; }

 private:
  std::size_t bytes_;
  bool complete_;
};

/// For callers that may allocate: makes `buffer` exactly what `encode(std::span<char>)` writes. Its memory is used
/// again, so that it grows a few times in its life. Throws std::bad_alloc.
template <class Encode>
void fill(std::string& buffer, Encode&& encode) {
  buffer.resize(buffer.capacity());
  Encoded done = encode(std::span<char>(buffer));
  while (!done.complete()) {
    buffer.resize(done.bytes());
    done = encode(std::span<char>(buffer));
  }
  buffer.resize(done.bytes());
}

}  // namespace sluice::encode
