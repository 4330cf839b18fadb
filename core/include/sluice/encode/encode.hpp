// SPDX-License-Identifier: Apache-2.0
// The types that all encoders of windows share. Each encoder writes the text or bytes of one format into a buffer that
// the caller gives, and allocates nothing, so that a process may export from any thread at any time. The values are the
// recorder's integers: nothing is rounded before the receiver converts them to floating-point numbers.
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

/// \defgroup encode Encode
/// Write windows and readings in the formats of Prometheus, OpenMetrics, InfluxDB, StatsD and OpenTelemetry.
/// @{

/// The data to encode: a window, lifetime totals, or both. With both, the counts are those of the window, and the
/// totals add what only they have.
struct Source {
  const Window* window = nullptr;         ///< Null: the output has nothing of a window.
  const ProcessTotals* totals = nullptr;  ///< Null: the output has nothing of totals.
};

/// A label, tag or attribute. Any bytes are accepted: each format escapes what it has to, writes U+FFFD for what is not
/// UTF-8, and an underscore for what a name cannot contain. A label is left out if it has no name, if its name as
/// written came before, or if the encoder uses the name itself (`le`, `phase`, `quantile`, `status_class`, `thread`).
struct Label {
  std::string_view name;   ///< Name of the label.
  std::string_view value;  ///< Value of the label.
};

/// The labels of a metric, not owned.
using Labels = std::span<const Label>;

/// How the bounds of a histogram are written. Buckets are [lower, upper) over whole microseconds, while the formats
/// define a bound as "at most".
enum class Bounds : std::uint8_t {
  /// The last microsecond below the upper bound: 0.001249 for 1.25 ms. Every count is then exactly the number of
  /// requests
  /// that were recorded with at most this duration.
  kExact,
  /// The upper bound itself. Rounder, and equal to bounds of other systems, but requests that were recorded with
  /// exactly
  /// this duration are counted one bucket too high. The bounds of kOtelHttpBounds are round and exact in either case.
  kRound,
};

/// Which bounds a histogram is written with. Each is an exact merge of the recorded buckets; see view.hpp.
enum class Resolution : std::uint8_t {
  kByFormat,        ///< kOtelHttpBounds for the duration of requests in OTLP, kQuarterOctaves for everything else.
  kQuarterOctaves,  ///< 64 bounds: 1.25 ms, 1.5 ms, ..., 65.536 s.
  kOctaves,         ///< 24 bounds: 8 us, 16 us, 32 us, 63 us, 125 us, 250 us, 500 us, 1 ms, 2 ms, ..., 65.536 s.
  kOtelHttpBounds,  ///< 14 bounds: 5 ms, 10 ms, 25 ms, ..., 10 s, as OpenTelemetry advises.
  kAll,             ///< All of these.
};

/// A set of phases.
class PhaseSet {
 public:
  /// Makes an empty set.
  constexpr PhaseSet() noexcept = default;
  /// Makes the set of the given phases.
  template <class... Phases>
  constexpr explicit PhaseSet(Phases... phases) noexcept
      : bits_(static_cast<std::uint8_t>(((1U << index(phases)) | ... | 0U))) {}

  /// Returns true if the phase is in the set.
  [[nodiscard]] constexpr bool has(Phase phase) const noexcept { return (bits_ >> index(phase) & 1U) != 0; }

  /// Returns the set of all phases.
  [[nodiscard]] static constexpr PhaseSet all() noexcept {
    PhaseSet set;
    set.bits_ = UINT8_MAX;
    return set;
  }

 private:
  std::uint8_t bits_ = 0;
};

/// How histograms are written.
struct Histograms {
  PhaseSet phases = PhaseSet::all();              ///< Phases to write, as far as the mode has them.
  Bounds bounds = Bounds::kExact;                 ///< How bounds are written.
  Resolution resolution = Resolution::kByFormat;  ///< Which bounds are written.
};

/// The result of an encoder. The buffer has the whole output, or nothing of use.
class [[nodiscard]] Encoded {
 public:
  /// Makes a result of the size of the output and that of the buffer.
  constexpr Encoded(std::size_t needed_bytes, std::size_t buffer_bytes) noexcept
      : bytes_(needed_bytes), complete_(needed_bytes <= buffer_bytes) {}

  /// Returns the length of the output, whether or not it fitted.
  [[nodiscard]] constexpr std::size_t bytes() const noexcept { return bytes_; }
  /// Returns true if the buffer has the whole output.
  [[nodiscard]] constexpr bool complete() const noexcept { return complete_; }

 private:
  std::size_t bytes_;
  bool complete_;
};

/// Makes `buffer` exactly the output of `encode(std::span<char>)`, for callers that may allocate. The memory of the
/// buffer is used again, so it grows a few times in its life only. \throws std::bad_alloc
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

/// @}

}  // namespace sluice::encode
