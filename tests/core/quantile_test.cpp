// SPDX-License-Identifier: Apache-2.0
#include "sluice/quantile.hpp"
#include "phases.hpp"
#include "sluice/group_counts.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "random.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

TEST_CASE("quantile: what was recorded lies within the bounds, and no bound is beyond an extreme") {
  test::Random random(7);
  for (int run = 0; run < 200; ++run) {
    Recorder recorder({.threads = 1});
    Reader reader = recorder.add_reader();
    Worker worker = recorder.attach();
    std::vector<std::uint64_t> values(1 + random() % 50);
    for (std::uint64_t& us : values) {
      us = random() >> (38 + random() % 26);
      worker.begin().finish({.request_us = us});
    }
    std::sort(values.begin(), values.end());
    const Result<Window> window = reader.drain();
    REQUIRE(window.ok());
    for (const double q : {0.0, 0.07, 0.5, 0.9, 0.99, 1.0}) {
      const auto bounds = quantile(phase_of(*window, Phase::kRequest), q);
      REQUIRE(bounds);
      const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
      const std::uint64_t real = values[std::max<std::size_t>(rank, 1) - 1];
      CHECK(bounds->lower <= real);
      CHECK(real <= bounds->upper);
      CHECK(values.front() <= bounds->lower);
      CHECK(bounds->upper <= values.back());
    }
  }
}

TEST_CASE("quantile: bounds are those of a bucket of the layout, or of an entry of the view that is asked for") {
  Recorder recorder({.threads = 1});
  Reader reader = recorder.add_reader();
  Worker worker = recorder.attach();
  for (const std::uint64_t us : {1U, 100U, 110U, 24'500U, 27'000U, 90'000'000U}) {
    worker.begin().finish({.request_us = us});
  }
  const Result<Window> window = reader.drain();
  REQUIRE(window.ok());
  const auto bounds = [&](double rank, const View& view) {
    const auto range = quantile(phase_of(*window, Phase::kRequest), rank / 6, view);
    REQUIRE(range);
    return std::pair(range->lower, range->upper);
  };
  CHECK(bounds(2, views::kAll) == std::pair<std::uint64_t, std::uint64_t>(63, 124));
  CHECK(bounds(4, views::kAll) == std::pair<std::uint64_t, std::uint64_t>(24'000, 25'000));
  CHECK(bounds(5, views::kAll) == std::pair<std::uint64_t, std::uint64_t>(25'001, 27'999));
  CHECK(bounds(2, views::kQuarterOctaves) == std::pair<std::uint64_t, std::uint64_t>(1, 1'249));
  CHECK(bounds(4, views::kQuarterOctaves) == std::pair<std::uint64_t, std::uint64_t>(24'000, 27'999));
  CHECK(bounds(5, views::kOtel) == std::pair<std::uint64_t, std::uint64_t>(25'001, 50'000));
  CHECK(bounds(6, views::kOtel) == std::pair<std::uint64_t, std::uint64_t>(90'000'000, 90'000'000));
  const auto unasked = quantile(phase_of(*window, Phase::kRequest), 2.0 / 6);
  REQUIRE(unasked);
  CHECK(unasked->upper == 124);
}

TEST_CASE("quantile: there is none of nothing, of a phase that does not exist, and beyond 0 and 1") {
  CHECK_FALSE(quantile(phase_of(Window(), Phase::kRequest), 0.5));
  Window window = empty_window(1);
  CHECK_FALSE(quantile(phase_of(window, Phase::kRequest), 0.5));
  observe(window, Phase::kRequest, 1);
  CHECK(quantile(phase_of(window, Phase::kRequest), 0.5));
  CHECK_FALSE(quantile(phase_of(window, Phase::kQueue), 0.5));
  CHECK_FALSE(quantile(phase_of(window, Phase::kRequest), 1.5));
  CHECK_FALSE(quantile(phase_of(window, Phase::kRequest), std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("quantile: the last of as many requests as a counter can hold is the longest") {
  std::array<std::uint64_t, BucketLayout::kSize> buckets{};
  buckets.front() = UINT64_MAX - 1;
  buckets.back() = 1;
  const HistogramView durations{.smallest = 1,
                                .largest = 90'000'000,
                                .buckets = buckets,
                                .field = &schema_info<Completion>.fields[wsgi::field_of(Phase::kRequest)]};
  const auto bounds = quantile(durations, 1.0);
  REQUIRE(bounds);
  CHECK(bounds->upper == 90'000'000);
}

TEST_CASE("quantile: the counts of several processes have them, too, within the bounds of a bucket") {
  Window window = empty_window(1);
  for (const std::uint64_t us : {100U, 200U, 24'500U}) observe(window, Phase::kRequest, us);
  const GroupCounts counts{.request_count = 3, .schema = window.schema, .sums = window.sums};
  const auto bounds = quantile(phase_of(counts.counts(), Phase::kRequest), 1.0);
  REQUIRE(bounds);
  CHECK(bounds->lower == 24'000);
  CHECK(bounds->upper == 24'800);  // the sum of all durations is no more
}

}  // namespace sluice::test
