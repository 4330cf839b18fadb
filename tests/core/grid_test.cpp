#include "sluice/grid.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "definition.hpp"
#include "random.hpp"

using namespace sluice;
using namespace sluice::test;

namespace {

const std::vector<std::uint64_t> kBounds = all_by_definition();

}  // namespace

TEST_CASE("grid: it has the bounds of all views, and no others") {
  REQUIRE(Grid::kBuckets == kBounds.size() + 1);
  CHECK(Grid::lower_bound_us(0) == 0);
  for (std::size_t i = 0; i < kBounds.size(); ++i) CHECK(Grid::lower_bound_us(i + 1) == kBounds[i]);
}

TEST_CASE("grid: a value on a boundary belongs to the upper entry") {
  for (std::size_t i = 0; i < kBounds.size(); ++i) {
    CAPTURE(kBounds[i]);
    CHECK(Grid::bucket_of(kBounds[i] - 1) == entry_by_definition(kBounds, kBounds[i] - 1));
    CHECK(Grid::bucket_of(kBounds[i]) == i + 1);
    CHECK(Grid::bucket_of(kBounds[i] + 1) == entry_by_definition(kBounds, kBounds[i] + 1));
  }
}

TEST_CASE("grid: the ends take everything beyond them") {
  for (std::uint64_t us = 0; us < 8; ++us) CHECK(Grid::bucket_of(us) == 0);
  for (unsigned bit = 27; bit < 64; ++bit) {
    CHECK(Grid::bucket_of(1ULL << bit) == Grid::kBuckets - 1);
    CHECK(Grid::bucket_of((1ULL << bit) - 1) == Grid::kBuckets - 1);
  }
  CHECK(Grid::bucket_of(UINT64_MAX) == Grid::kBuckets - 1);
}

TEST_CASE("grid: up to a second, every duration is where the definition has it") {
  for (std::uint64_t us = 0; us <= 1'000'000; ++us) {
    const std::size_t expected = entry_by_definition(kBounds, us);
    if (Grid::bucket_of(us) != expected) {
      FAIL("bucket of " << us << ": " << Grid::bucket_of(us) << ", expected " << expected);
    }
  }
}

TEST_CASE("grid: a duration of any size is where the definition has it") {
  const std::uint64_t from = seed();
  CAPTURE(from);
  Random random(from);
  for (int i = 0; i < 1'000'000; ++i) {
    const std::uint64_t us = random() >> (random() % 64);
    const std::size_t expected = entry_by_definition(kBounds, us);
    if (Grid::bucket_of(us) != expected) {
      FAIL("bucket of " << us << ": " << Grid::bucket_of(us) << ", expected " << expected);
    }
  }
}
