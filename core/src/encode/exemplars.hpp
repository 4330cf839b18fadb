// SPDX-License-Identifier: Apache-2.0
// The exemplars of one histogram as formats write them: at most one for each bucket, the newest.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "encode/catalogue.hpp"
#include "encode/sink.hpp"
#include "sluice/exemplar.hpp"

namespace sluice::inline v0_1::encode {

/// The exemplar of each bucket of a histogram.
class BucketExemplars {
 public:
  /// Chooses exemplars whose values lie in the buckets as they are written. A bucket without requests has none.
  BucketExemplars(const Exemplars& exemplars, const Buckets& buckets) noexcept;

  /// Returns the exemplar of a bucket; null if it has none.
  [[nodiscard]] const Exemplar* of(std::size_t bucket) const noexcept { return newest_[bucket]; }

 private:
  std::array<const Exemplar*, Buckets::kMost> newest_{};
};

/// Puts bytes as hexadecimal digits in lower case.
void put_hex(Sink& sink, std::span<const std::uint8_t> bytes) noexcept;

/// Returns the time at which a request ended, in nanoseconds since the Unix epoch; 0 for earlier times.
[[nodiscard]] constexpr std::uint64_t time_of(const Exemplar& exemplar) noexcept {
  return exemplar.time_ns > 0 ? static_cast<std::uint64_t>(exemplar.time_ns) : 0;
}

}  // namespace sluice::encode
