// SPDX-License-Identifier: Apache-2.0

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

#include "definition.hpp"
#include "phases.hpp"
#include "random.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

using Counters = std::array<std::uint64_t, BucketLayout::kSize>;

struct Named {
  const char* name;
  const View& view;
  std::vector<std::uint64_t> bounds;
};

std::vector<Named> all_views() {
  return {{"quarters", views::kQuarterOctaves, quarters_by_definition()},
          {"octaves", views::kOctaves, octaves_by_definition()},
          {"conventions", views::kOtel, otel_http_bounds_by_definition()},
          {"all", views::kAll, all_by_definition()}};
}

}  // namespace

TEST_CASE("view: each has the bounds of its definition") {
  for (const auto& [name, view, bounds] : all_views()) {
    CAPTURE(name);
    REQUIRE(view.size() == bounds.size() + 1);
    CHECK(view.lower_bound(0) == 0);
    for (std::size_t i = 0; i < bounds.size(); ++i) CHECK(view.lower_bound(i + 1) == bounds[i]);
  }
}

TEST_CASE("view: each is what counting by its own bounds would have given") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  Counters buckets{};
  std::vector<std::uint64_t> durations(20'000);
  for (std::uint64_t& us : durations) {
    us = random() % 3 == 0 ? BucketLayout::lower_bound(1 + random() % (BucketLayout::kSize - 1)) + random() % 3 - 1
                           : any_size(random, 30);
    ++buckets[BucketLayout::bucket_of(us)];
  }
  for (const auto& [name, view, bounds] : all_views()) {
    CAPTURE(name);
    std::vector<std::uint64_t> expected(view.size());
    for (const std::uint64_t us : durations) ++expected[entry_by_definition(bounds, us)];
    std::vector<std::uint64_t> counts(view.size());
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] = view.count(buckets, i);
    CHECK(counts == expected);
  }
}

TEST_CASE("view: the entries of each take every bucket once, in order") {
  for (const auto& [name, view, bounds] : all_views()) {
    CAPTURE(name);
    CHECK(view.first(0) == 0);
    for (std::size_t i = 0; i < view.size(); ++i) CHECK(view.first(i) < view.first(i + 1));
    CHECK(view.first(view.size()) == BucketLayout::kSize);
  }
}

TEST_CASE("view: 100 us is between 62.5 and 125 us in octaves, and in the first entry of the others") {
  Counters buckets{};
  buckets[BucketLayout::bucket_of(100)] = 1;
  CHECK(views::kOctaves.lower_bound(4) == 63);
  CHECK(views::kOctaves.lower_bound(5) == 125);
  CHECK(views::kOctaves.count(buckets, 4) == 1);
  CHECK(views::kQuarterOctaves.count(buckets, 0) == 1);
  CHECK(views::kOtel.count(buckets, 0) == 1);
}

TEST_CASE("view: a duration on a bound of the conventions is below it, in quarters above it") {
  Counters buckets{};
  buckets[BucketLayout::bucket_of(5'000)] = 1;
  CHECK(views::kOtel.count(buckets, 0) == 1);
  CHECK(views::kQuarterOctaves.lower_bound(9) == 5'000);
  CHECK(views::kQuarterOctaves.count(buckets, 9) == 1);
}

}  // namespace sluice::test
