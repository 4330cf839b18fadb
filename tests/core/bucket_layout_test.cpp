// SPDX-License-Identifier: Apache-2.0
#include "sluice/bucket_layout.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "definition.hpp"
#include "random.hpp"
#include "tests/catch.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

const std::vector<std::uint64_t> kBounds = all_by_definition();

}  // namespace

TEST_CASE("bucket layout: it has the bounds of all views, and no others") {
  REQUIRE(BucketLayout::kBuckets == kBounds.size() + 1);
  CHECK(BucketLayout::lower_bound_us(0) == 0);
  for (std::size_t i = 0; i < kBounds.size(); ++i) CHECK(BucketLayout::lower_bound_us(i + 1) == kBounds[i]);
}

TEST_CASE("bucket layout: a value on a boundary belongs to the upper entry") {
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    CAPTURE(kBounds[i]);
    CHECK(BucketLayout::bucket_of(kBounds[i] - 1) == entry_by_definition(kBounds, kBounds[i] - 1));
    CHECK(BucketLayout::bucket_of(kBounds[i]) == i + 1);
    CHECK(BucketLayout::bucket_of(kBounds[i] + 1) == entry_by_definition(kBounds, kBounds[i] + 1));
  }
}

TEST_CASE("bucket layout: the ends take everything beyond them") {
  for (std::uint64_t us = 0; us < 8; ++us) CHECK(BucketLayout::bucket_of(us) == 0);
  for (unsigned bit = 27; bit < 64; ++bit) {
    CHECK(BucketLayout::bucket_of(1ULL << bit) == BucketLayout::kBuckets - 1);
    CHECK(BucketLayout::bucket_of((1ULL << bit) - 1) == BucketLayout::kBuckets - 1);
  }
  CHECK(BucketLayout::bucket_of(UINT64_MAX) == BucketLayout::kBuckets - 1);
}

namespace {

/// Returns true if a duration is found in its bucket, alone and beside another one as a record looks it up.
template <class Layout>
bool is_found(const std::vector<std::uint64_t>& bounds, std::uint64_t us, std::uint64_t beside_us) {
  const std::size_t expected = entry_by_definition(bounds, us);
  if (Layout::bucket_of(us) != expected) return false;
  if ((us | beside_us) >= detail::kFindableUs) return true;
  const detail::U64x2 low = Layout::buckets_of(detail::U64x2{us, beside_us});
  const detail::U64x2 high = Layout::buckets_of(detail::U64x2{beside_us, us});
  return low[0] >> 32 == expected && high[1] >> 32 == expected;
}

template <class Layout>
void is_found_at_any_size(const std::vector<std::uint64_t>& bounds) {
  Random random(seed());
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t us = random() >> (random() % 64);
    if (!is_found<Layout>(bounds, us, any_size(random, 32))) FAIL("a duration of " << us);
  }
}

}  // namespace

TEST_CASE("bucket layout: up to a second, every duration is where the definition has it") {
  for (std::uint64_t us = 0; us <= 1'000'000; ++us) {
    if (!is_found<BucketLayout>(kBounds, us, 1'000'000 - us)) FAIL("a duration of " << us);
  }
}

TEST_CASE("bucket layout: around the ends of cells, every duration is where the definition has it") {
  std::uint64_t us = 0;
  for (std::uint64_t cell = detail::kFirstCell + 1; cell < detail::kFirstCell + detail::kCells; ++cell) {
    for (std::uint64_t step = detail::kFindableUs / 2; step > 0; step /= 2) {
      if (us + step < detail::kFindableUs && detail::cell_number(us + step) < cell) us += step;
    }
    for (std::uint64_t near = std::max<std::uint64_t>(us, 4) - 4; near < us + 4; ++near) {
      if (!is_found<BucketLayout>(kBounds, near, us)) FAIL("a duration of " << near);
    }
  }
  CHECK(us > detail::kFindableUs / 2);
}

TEST_CASE("bucket layout: a duration of any size is where the definition has it") {
  is_found_at_any_size<BucketLayout>(kBounds);
}

TEST_CASE("bucket layout: bounds may be chosen") {
  using Quarters = BucketLayoutOf<bounds::kQuarterOctaves>;
  STATIC_REQUIRE(Quarters::is_sound());
  is_found_at_any_size<Quarters>(quarters_by_definition());
}
