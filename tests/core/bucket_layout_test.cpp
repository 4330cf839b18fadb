// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "definition.hpp"
#include "phases.hpp"
#include "random.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

const std::vector<std::uint64_t> kBounds = all_by_definition();

}  // namespace

TEST_CASE("bucket layout: it has the bounds of all views, and no others") {
  REQUIRE(BucketLayout::kSize == kBounds.size() + 1);
  CHECK(BucketLayout::lower_bound(0) == 0);
  for (std::size_t i = 0; i < kBounds.size(); ++i) CHECK(BucketLayout::lower_bound(i + 1) == kBounds[i]);
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
    CHECK(BucketLayout::bucket_of(1ULL << bit) == BucketLayout::kSize - 1);
    CHECK(BucketLayout::bucket_of((1ULL << bit) - 1) == BucketLayout::kSize - 1);
  }
  CHECK(BucketLayout::bucket_of(UINT64_MAX) == BucketLayout::kSize - 1);
}

namespace {

/// Returns true if a duration is found in its bucket, alone and beside another one as a record looks it up.
template <class Layout>
bool is_found(const std::vector<std::uint64_t>& bounds, std::uint64_t us, std::uint64_t beside_us) {
  const std::size_t expected = entry_by_definition(bounds, us);
  if (Layout::bucket_of(us) != expected) return false;
  if ((us | beside_us) >= detail::kFindable) return true;
  const detail::U64x2 low = Layout::buckets_of(detail::U64x2{us, beside_us});
  const detail::U64x2 high = Layout::buckets_of(detail::U64x2{beside_us, us});
  return low[0] >> detail::kBucketShift == expected && high[1] >> detail::kBucketShift == expected;
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
  constexpr std::uint64_t kFirst = detail::kFirstCell<wsgi::bounds::kAll>;
  constexpr std::uint64_t kEnd = kFirst + detail::kCellWords<wsgi::bounds::kAll>.size();
  for (std::uint64_t cell = kFirst + 1; cell < kEnd; ++cell) {
    for (std::uint64_t step = detail::kFindable / 2; step > 0; step /= 2) {
      if (us + step < detail::kFindable && detail::scaled(us + step) >> detail::kCellShift<wsgi::bounds::kAll> < cell)
        us += step;
    }
    for (std::uint64_t near = std::max<std::uint64_t>(us, 4) - 4; near < us + 4; ++near) {
      if (!is_found<BucketLayout>(kBounds, near, us)) FAIL("a duration of " << near);
    }
  }
  CHECK(us > detail::kFindable / 2);
}

TEST_CASE("bucket layout: a duration of any size is where the definition has it") {
  is_found_at_any_size<BucketLayout>(kBounds);
}

// In the headers this would take time in each source that includes them.
TEST_CASE("bucket layout: the tables of the layouts that come with the library are sound") {
  STATIC_REQUIRE(buckets::Fine::is_sound());
  STATIC_REQUIRE(BucketLayout::is_sound());
}

TEST_CASE("bucket layout: bounds may be chosen") {
  using Quarters = Buckets<wsgi::bounds::kQuarterOctaves>;
  STATIC_REQUIRE(Quarters::is_sound());
  is_found_at_any_size<Quarters>(quarters_by_definition());
}

namespace {

constexpr std::array<std::uint64_t, 1> kOne{1000};
constexpr auto kLinear = [] {
  std::array<std::uint64_t, kBoundsMost> bounds{};
  for (std::size_t i = 0; i < bounds.size(); ++i) bounds[i] = i + 1;
  return bounds;
}();
constexpr std::array<std::uint64_t, 4> kClose{7, 1'000'000'000'000, 1'000'000'000'001, 1'000'000'000'002};

template <class Layout>
void is_found_alone(std::span<const std::uint64_t> bounds) {
  const std::vector<std::uint64_t> listed(bounds.begin(), bounds.end());
  Random random(seed());
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t near = bounds[random() % bounds.size()] + random() % 5 - 2;
    const std::uint64_t value = i % 2 == 0 ? near : random() >> (random() % 64);
    if (Layout::bucket_of(value) != entry_by_definition(listed, value)) FAIL("a value of " << value);
  }
}

}  // namespace

TEST_CASE("bucket layout: one bound, bounds next to each other, and bounds too close for a table are found") {
  STATIC_REQUIRE(Buckets<kOne>::is_sound());
  STATIC_REQUIRE(Buckets<kClose>::is_sound());
  is_found_alone<Buckets<kOne>>(kOne);
  is_found_alone<Buckets<kLinear>>(kLinear);
  is_found_alone<Buckets<kClose>>(kClose);
  is_found_alone<buckets::Fine>(sluice::bounds::kFine);
}

TEST_CASE(
    "bucket layout: the fine one goes from 1 us to 60 s in steps of a quarter at most, and has those of "
    "OpenTelemetry") {
  constexpr auto& kFine = sluice::bounds::kFine;
  CHECK(kFine.front() == 1'001);
  CHECK(kFine.back() == 60'000'000'001);
  for (std::size_t i = 1; i < kFine.size(); ++i) {
    CAPTURE(kFine[i]);
    CHECK(kFine[i] - 1 <= (kFine[i - 1] - 1) * 5 / 4);
  }
  const auto& otel = sluice::bounds::kOtelNs;
  CHECK(std::includes(kFine.begin(), kFine.end(), otel.begin(), otel.end()));
}

}  // namespace sluice::test
