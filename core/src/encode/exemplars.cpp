// SPDX-License-Identifier: Apache-2.0
#include "encode/exemplars.hpp"

#include <algorithm>
#include <string_view>

#include "timeline.hpp"

namespace sluice::inline v0_1::encode {

BucketExemplars::BucketExemplars(const Exemplars& exemplars, const Buckets& buckets) noexcept {
  const auto end = buckets.upper.begin() + static_cast<std::ptrdiff_t>(buckets.size);
  for (const Exemplar& one : exemplars.all) {
    if (one.series != exemplars.series || epoch_seconds(one.time_ns) <= exemplars.since) continue;
    const auto bucket =
        static_cast<std::size_t>(std::lower_bound(buckets.upper.begin(), end, one.value) - buckets.upper.begin());
    const Exemplar*& newest = newest_[bucket];
    if (buckets.counts[bucket] != 0 && (newest == nullptr || newest->time_ns < one.time_ns)) newest = &one;
  }
}

void put_hex(Sink& sink, std::span<const std::uint8_t> bytes) noexcept {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const std::uint8_t byte : bytes) {
    sink.put(kDigits[byte >> 4U]);
    sink.put(kDigits[byte & 0xFU]);
  }
}

}  // namespace sluice::encode
