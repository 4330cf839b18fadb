// SPDX-License-Identifier: Apache-2.0
// Looks up the buckets of values around every bound of two bucket layouts. Prints each value in a wrong bucket.
#include "adapters/wsgi/schema/bucket_layout.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "sluice/fine_buckets.hpp"

namespace {

template <class Layout>
std::size_t bucket_by_definition(std::uint64_t value) {
  std::size_t bucket = 0;
  while (bucket + 1 < Layout::kSize && Layout::lower_bound(bucket + 1) <= value) ++bucket;
  return bucket;
}

template <class Layout>
bool is_right(std::uint64_t value, std::size_t bucket) {
  bool right = Layout::bucket_of(value) == bucket;
  if constexpr (Layout::kPaired) {
    using sluice::detail::U64x2;
    right = right && Layout::buckets_of(U64x2{value, 7})[0] >> sluice::detail::kBucketShift == bucket &&
            Layout::buckets_of(U64x2{7, value})[1] >> sluice::detail::kBucketShift == bucket;
  }
  return right;
}

template <class Layout>
void check() {
  volatile std::uint64_t opaque = 0;  // so that the compiler cannot compute the buckets
  for (std::size_t bucket = 1; bucket < Layout::kSize; ++bucket) {
    for (std::uint64_t value = Layout::lower_bound(bucket) - 3; value < Layout::lower_bound(bucket) + 3; ++value) {
      opaque = value;
      if (!is_right<Layout>(opaque, bucket_by_definition<Layout>(value))) {
        std::printf("%llu\n", static_cast<unsigned long long>(value));
      }
    }
  }
}

}  // namespace

int main() {
  check<sluice::wsgi::BucketLayout>();
  check<sluice::buckets::Fine>();
}
