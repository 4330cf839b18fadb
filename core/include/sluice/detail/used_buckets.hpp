// SPDX-License-Identifier: Apache-2.0
// The buckets of a histogram that can have been counted in, as its extremes tell. A record updates the extremes of a
// histogram together with one bucket, so all buckets outside are as they were when the extremes were last reset. So a
// reader of whole records looks at what was used, however many buckets a histogram has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "sluice/buckets.hpp"
#include "sluice/schema_info.hpp"

namespace sluice::inline v0_1::detail {

/// Neighbouring buckets.
struct UsedBuckets {
  std::size_t first = 0;
  std::size_t size = 0;
};

/// Returns the buckets from that of the least value to that of the greatest. Takes the words of extremes: the greatest
/// value, and the complement of the least; 0 for both is "none". Any two words are safe.
inline UsedBuckets used_buckets(const BucketsInfo& buckets, std::uint64_t largest,
                                std::uint64_t smallest_complement) noexcept {
  if ((largest | smallest_complement) == 0) return {};
  const std::size_t first = buckets.bucket_of(~smallest_complement);
  const std::size_t last = buckets.bucket_of(largest);
  return first <= last ? UsedBuckets{first, last - first + 1} : UsedBuckets{};
}

/// Returns true if the extremes of a field tell which of its buckets are used. Those of single values do not, because a
/// bucket counts the total of a request.
constexpr bool extremes_tell_buckets(const FieldInfo& field) noexcept {
  return field.kind == FieldKind::kHistogram && !field.of_observations;
}

/// Calls `run(first, size)` for all sums of a mode that can differ from 0, as the extremes tell.
template <class Run>
void for_each_used_run(const SchemaInfo& schema, std::uint8_t mode, std::span<const std::uint64_t> extremes,
                       Run&& run) {
  for (const FieldInfo& field : schema.fields) {
    if (!field.exists_in(mode) || field.kind == FieldKind::kMaximum) continue;
    run(std::size_t{field.sum}, field.kind == FieldKind::kClasses ? field.classes.size() : 1);
    if (field.kind != FieldKind::kHistogram) continue;
    UsedBuckets used{0, field.buckets->size()};
    if (extremes_tell_buckets(field)) {
      used = used_buckets(*field.buckets, extremes[field.extreme], extremes[field.extreme + std::size_t{1}]);
    }
    run(field.buckets_at + used.first, used.size);
  }
}

}  // namespace sluice::detail
