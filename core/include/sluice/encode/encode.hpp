// SPDX-License-Identifier: Apache-2.0
// The types that all encoders of windows share. Each encoder writes the text or bytes of one format into a buffer that
// the caller gives, and allocates nothing, but for the text of several parts (exposition.hpp). The values are the
// recorder's integers: nothing is rounded before the receiver converts them to floating-point numbers.
//
//   std::string buffer;
//   sluice::encode::fill(buffer, [&](std::span<char> out) {
//     return sluice::encode::exposition({.window = &window}, {}, out);
//   });
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "sluice/buckets.hpp"
#include "sluice/detail/schema_layout.hpp"
#include "sluice/labels.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice::inline v0_1 {
struct GroupReading;
struct ServerReading;
}  // namespace sluice

namespace sluice::inline v0_1::encode {

/// \defgroup encode_api Encode
/// Write windows and readings in the formats of Prometheus, OpenMetrics, InfluxDB, StatsD and OpenTelemetry.
/// @{

/// A number of the caller's own, read whenever it is encoded. It is left out if it has no name or that of another
/// metric, or the name and label of a gauge before it. Its texts are not copied.
struct Gauge {
  std::string_view name;         ///< Name, with dots between its parts.
  std::string_view help;         ///< Description, in a sentence.
  std::function<double()> read;  ///< Returns the number now. Called by the thread that encodes. Left out if it throws.
  Unit unit = Unit::kNone;       ///< Unit of the number: seconds for both units of time.
  std::string_view label = {};   ///< Name of a label that tells gauges of one name apart; empty: there is one.
  std::string_view value = {};   ///< Value of that label.
};

/// The data to encode: a window, lifetime totals, or both; or what several processes have counted. With both of the
/// first two, the counts are those of the window, and the totals add what only they have. Gauges come in addition.
struct Source {
  const Window* window = nullptr;           ///< Window to write; null for none.
  const ProcessTotals* totals = nullptr;    ///< Totals to write; null for none.
  const GroupReading* processes = nullptr;  ///< Counts of several processes, instead of a window and totals.
  const ServerReading* groups = nullptr;    ///< Counts by process group, each with its label, instead of the others.
  std::span<const Gauge> gauges = {};       ///< Gauges of the caller's own.
};

using sluice::Label;
using sluice::Labels;

/// How the bounds of a histogram are written. Buckets are [lower, upper) over whole units, while the formats define a
/// bound as "at most".
enum class Bounds : std::uint8_t {
  /// The last value below the upper bound: 0.001249 for 1.25 ms in microseconds. Every count is then exactly the number
  /// of requests that were recorded with at most this value.
  kExact,
  /// The upper bound itself. Rounder, and equal to bounds of other systems, but requests that were recorded with
  /// exactly this value are counted one bucket too high. Bounds that the layout calls inclusive are round and exact in
  /// either case.
  kRound,
};

/// A set of fields of a schema, by their places.
class FieldSet {
 public:
  /// Makes an empty set.
  constexpr FieldSet() noexcept = default;

  /// Makes the set of all fields that record one of these members.
  template <auto... kMembers>
  [[nodiscard]] static constexpr FieldSet of() noexcept {
    FieldSet set;
    ((set.bits_ |= detail::fields_of<kMembers>()), ...);
    return set;
  }
  /// Returns the set of all fields.
  [[nodiscard]] static constexpr FieldSet all() noexcept {
    FieldSet set;
    set.bits_ = UINT64_MAX;
    return set;
  }

  /// Returns true if the field is in the set.
  [[nodiscard]] constexpr bool has(std::size_t field) const noexcept { return (bits_ >> field & 1U) != 0; }
  /// Adds the fields of another set.
  constexpr FieldSet& add(FieldSet other) noexcept {
    bits_ |= other.bits_;
    return *this;
  }
  /// Removes the fields of another set.
  constexpr FieldSet& remove(FieldSet other) noexcept {
    bits_ &= ~other.bits_;
    return *this;
  }

 private:
  std::uint64_t bits_ = 0;
};

/// How histograms are written.
struct Histograms {
  FieldSet fields = FieldSet::all();  ///< Fields to write, as far as the mode has them.
  Bounds bounds = Bounds::kExact;     ///< How bounds are written.
  /// Selects the bounds that are written. Each choice is an exact merge of the recorded buckets; a layout that does not
  /// have the view is written with all of its bounds. By format: Resolution::kOtel in OTLP for the duration of
  /// requests, Resolution::kQuarterOctaves for everything else.
  Resolution resolution = Resolution::kByFormat;
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
