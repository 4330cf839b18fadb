// Durations around every bound of the bucket layout, as this program finds their buckets. Prints each that is not where
// it belongs.
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
  volatile std::uint64_t given = 0;  // so that a compiler does not find them itself
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
