// The metrics that a window and the lifetime totals make, named once for all formats. visit() calls a format with each
// family in order, and each family's points together.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string_view>

#include "encode/sink.hpp"
#include "sluice/bucket_layout.hpp"
#include "sluice/encode/encode.hpp"
#include "sluice/view.hpp"

namespace sluice::encode {

enum class Kind : std::uint8_t { kCounter, kGauge, kHistogram };

struct Family {
  std::string_view name;  ///< Parts are separated by dots.
  Kind kind;
  std::string_view unit;       ///< As Prometheus has it: `seconds`, `bytes`; empty: a number of things.
  std::string_view otlp_unit;  ///< In UCUM.
  std::string_view help;
  std::string_view prometheus = {};  ///< A name of its own, without a prefix.
  std::string_view otlp = {};        ///< A name of its own, without a prefix.
};

/// amount / 10^decimals.
struct Amount {
  std::uint64_t value;
  unsigned decimals = 0;

  [[nodiscard]] double as_double() const noexcept;
};

/// What tells the points of a family apart; no name: there is one point.
struct Key {
  std::string_view name = {};
  std::string_view value = {};
  Label of = {};  ///< Whose the point is, where a family has those of several; no name: it has not.
};

/// Since when a family counts, and when it was read: seconds since the Unix epoch.
struct Interval {
  double start;
  double stop;
};

/// A histogram over the bounds that were asked for. The last of `counts` has no bound.
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

/// `by_format`: what Resolution::kByFormat is here.
[[nodiscard]] Buckets merged(const PhaseWindow& phase, const Histograms& how,
                             Resolution by_format = Resolution::kQuarterOctaves) noexcept;

/// Of the waits of requests only single ones have extremes, which are not those of the histogram.
[[nodiscard]] constexpr bool has_extremes(Phase phase) noexcept { return phase != Phase::kGilWait; }

/// `request_time` without what all phases have in common.
[[nodiscard]] std::string_view short_name(Phase phase) noexcept;

class Visitor {
 public:
  virtual void begin(const Family& family, const Interval& interval) = 0;
  virtual void point(const Key& key, const Amount& amount) = 0;
  virtual void histogram(const Key& key, Phase phase, const PhaseWindow& window) = 0;
  virtual void end() = 0;

 protected:
  ~Visitor() = default;
};

void visit(const Source& source, PhaseSet phases, Visitor& visitor);

/// When the source was read.
[[nodiscard]] double stop_time(const Source& source) noexcept;

/// Nanoseconds since the Unix epoch. 0 for what is before it.
[[nodiscard]] std::uint64_t epoch_ns(double seconds) noexcept;

/// What a character of a label's name becomes; names of Prometheus have the narrowest rule.
[[nodiscard]] constexpr char name_character(char byte, bool first) noexcept {
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
  return letter || (!first && byte >= '0' && byte <= '9') ? byte : '_';
}

/// A name with everything but letters, digits and underscores replaced.
void put_name(Sink& sink, std::string_view name, bool first = true) noexcept;

/// Whether put_name() writes the same for both names.
[[nodiscard]] bool same_name(std::string_view a, std::string_view b) noexcept;

/// Whether the label at `i` is to be written: it has a name, none of the encoder's, that did not come before.
/// `same(a, b)` says whether the format writes two names alike.
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
