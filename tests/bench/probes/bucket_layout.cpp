// SPDX-License-Identifier: Apache-2.0
// Looks up the buckets of durations around every bound of the bucket layout. Prints each duration in a wrong bucket.
#include "sluice/bucket_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>

using sluice::BucketLayout;

namespace {

std::size_t bucket_by_definition(std::uint64_t us) {
  std::size_t bucket = 0;
  while (bucket + 1 < BucketLayout::kBuckets && BucketLayout::lower_bound_us(bucket + 1) <= us) ++bucket;
  return bucket;
}

}  // namespace

int main() {
  volatile std::uint64_t given = 0;  // so that the compiler cannot compute the buckets
  for (std::size_t bucket = 1; bucket < BucketLayout::kBuckets; ++bucket) {
    for (std::uint64_t us = BucketLayout::lower_bound_us(bucket) - 3; us < BucketLayout::lower_bound_us(bucket) + 3;
         ++us) {
      given = us;
      const std::uint64_t one = given;
      const std::size_t wanted = bucket_by_definition(us);
      const bool right = BucketLayout::bucket_of(one) == wanted &&
                         BucketLayout::buckets_of(sluice::detail::U64x2{one, 7})[0] >> 32 == wanted &&
                         BucketLayout::buckets_of(sluice::detail::U64x2{7, one})[1] >> 32 == wanted;
      if (!right) std::printf("%llu\n", static_cast<unsigned long long>(us));
    }
  }
}
