// SPDX-License-Identifier: Apache-2.0
// The metrics of a window and of lifetime totals, defined once for all formats. visit() calls a format with each family
// in order, and with the points of each family together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string_view>

#include "encode/family.hpp"
#include "encode/sink.hpp"
#include "sluice/bucket_layout.hpp"
#include "sluice/encode/encode.hpp"
#include "sluice/view.hpp"

namespace sluice::encode {

/// The number value / 10^decimals.
struct Amount {
  std::uint64_t value;
  unsigned decimals = 0;

  [[nodiscard]] double as_double() const noexcept;
};

/// The label that tells the points of a family apart. Without a name there is one point.
struct Key {
  std::string_view name = {};
  std::string_view value = {};
  Label of = {};  ///< Owner of the point, if a family has points of several owners.
};

/// The time that a family covers, in seconds since the Unix epoch. A start of 0 is unknown.
struct Interval {
  double start;
  double stop;
};

/// A histogram over chosen bounds. The last of `counts` has no bound.
struct Buckets {
  static constexpr std::size_t kMost = BucketLayout::kBuckets;

  /// Returns the number of requests in all buckets.
  [[nodiscard]] std::uint64_t total() const noexcept {
    return std::accumulate(counts.begin(), counts.begin() + static_cast<std::ptrdiff_t>(size) + 1, std::uint64_t{0});
  }

  /// Calls `each(upper_us, count)` for each bucket in order: its bound, which is null for the last bucket, and the
  /// number of requests up to the bound.
  template <class Each>
  void for_each_cumulative(Each&& each) const {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i <= size; ++i) each(i < size ? &upper_us[i] : nullptr, count += counts[i]);
  }

  std::size_t size = 0;
  std::array<std::uint64_t, kMost> upper_us{};
  std::array<std::uint64_t, kMost> counts{};
};

/// Puts the bound of a bucket in seconds, `+Inf` for null.
void put_bound(Sink& sink, const std::uint64_t* upper_us) noexcept;

/// Merges the buckets of a phase. `by_format` is the meaning of Resolution::kByFormat in the format.
[[nodiscard]] Buckets merged(const PhaseWindow& phase, const Histograms& how,
                             Resolution by_format = Resolution::kQuarterOctaves) noexcept;

/// Returns false for waits, whose extremes are those of single waits and not of the histogram.
[[nodiscard]] constexpr bool has_extremes(Phase phase) noexcept { return phase != Phase::kGilWait; }

/// Returns the name of a phase without its suffix `_time`.
[[nodiscard]] std::string_view short_name(Phase phase) noexcept;

/// A writer of one format.
class Visitor {
 public:
  virtual void begin(const Family& family, const Interval& interval) = 0;
  virtual void point(const Key& key, const Amount& amount) = 0;
  virtual void histogram(const Key& key, Phase phase, const PhaseWindow& window) = 0;
  virtual void end() = 0;

 protected:
  ~Visitor() = default;
};

/// Calls the visitor with each family of the source in order.
void visit(const Source& source, PhaseSet phases, Visitor& visitor);

/// Returns the time at which the source was read, in seconds since the Unix epoch.
[[nodiscard]] double stop_time(const Source& source) noexcept;

/// Returns nanoseconds since the Unix epoch; 0 for earlier times.
[[nodiscard]] std::uint64_t epoch_ns(double seconds) noexcept;

/// Returns the replacement of a character in the name of a label, by the rules of Prometheus, which are the narrowest.
[[nodiscard]] constexpr char name_character(char byte, bool first) noexcept {
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
  return letter || (!first && byte >= '0' && byte <= '9') ? byte : '_';
}

/// Puts a name. Replaces all characters except letters, digits and underscores.
void put_name(Sink& sink, std::string_view name, bool first = true) noexcept;

/// Returns true if put_name() writes the same for both names.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

/// Returns true if the label at `i` is to be written: it has a name that the encoder does not use and that did not come
/// before. `same(a, b)` returns true if the format writes two names alike.
template <class Same>
[[nodiscard]] bool written(const Labels& labels, std::size_t i, Same&& same) noexcept {
  const std::string_view name = labels[i].name;
  if (name.empty()) return false;
  for (const std::string_view own : {"le", "phase", "status_class", "thread", "quantile"}) {
    if (same(name, own)) return false;
  }
  for (std::size_t k = 0; k < i; ++k) {
    if (same(name, labels[k].name)) return false;
  }
  return true;
}

}  // namespace sluice::encode
