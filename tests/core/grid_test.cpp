#include "sluice/grid.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <random>

using sluice::Grid;

namespace {

/// The definition of the bucket in words, in floating point with enough digits to be exact here.
std::size_t bucket_by_definition(std::uint64_t us) {
  const long double ms = static_cast<long double>(us) / 1000;
  if (ms < 1) return 0;
  if (ms >= 65536) return 64;
  int exponent = 0;
  std::frexp(ms, &exponent);
  const int octave = exponent - 1;
  const auto quarter = static_cast<std::size_t>((ms / std::ldexp(1.0L, octave) - 1) * 4);
  return 4 * static_cast<std::size_t>(octave) + quarter;
}

}  // namespace

TEST_CASE("grid: a value on a boundary belongs to the upper entry") {
  for (std::size_t bucket = 1; bucket < Grid::kBuckets; ++bucket) {
    const std::uint64_t bound = Grid::lower_bound_us(bucket);
    CAPTURE(bucket, bound);
    CHECK(Grid::bucket_of(bound) == bucket);
    CHECK(Grid::bucket_of(bound - 1) == bucket - 1);
  }
}

TEST_CASE("grid: the ends take everything beyond them") {
  CHECK(Grid::bucket_of(0) == 0);
  CHECK(Grid::bucket_of(999) == 0);
  CHECK(Grid::bucket_of(UINT64_MAX) == 64);
}

TEST_CASE("grid: the integer arithmetic agrees with the definition") {
  const auto seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t us = random() >> (random() % 60);
    CAPTURE(us);
    const std::size_t expected = us > (1ULL << 50) ? 64 : bucket_by_definition(us);
    if (Grid::bucket_of(us) != expected) FAIL("bucket " << Grid::bucket_of(us) << ", expected " << expected);
  }
}
