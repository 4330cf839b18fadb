// SPDX-License-Identifier: Apache-2.0
#include "sluice/quantile.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "random.hpp"
#include "sluice/recorder.hpp"
#include "tests/catch.hpp"

using namespace sluice;

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
    const absl::StatusOr<Window> window = reader.drain();
    REQUIRE(window.ok());
    for (const double q : {0.0, 0.07, 0.5, 0.9, 0.99, 1.0}) {
      const auto bounds = quantile(*window, Phase::kRequest, q);
      REQUIRE(bounds);
      const auto rank = static_cast<std::size_t>(std::ceil(q * static_cast<double>(values.size())));
      const std::uint64_t real = values[std::max<std::size_t>(rank, 1) - 1];
      CHECK(bounds->lower_us <= real);
      CHECK(real <= bounds->upper_us);
      CHECK(values.front() <= bounds->lower_us);
      CHECK(bounds->upper_us <= values.back());
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
  const absl::StatusOr<Window> window = reader.drain();
  REQUIRE(window.ok());
  const auto bounds = [&](double rank, const View& view) {
    const auto found = quantile(*window, Phase::kRequest, rank / 6, view);
    REQUIRE(found);
    return std::pair(found->lower_us, found->upper_us);
  };
  CHECK(bounds(2, views::kAll) == std::pair<std::uint64_t, std::uint64_t>(63, 124));
  CHECK(bounds(4, views::kAll) == std::pair<std::uint64_t, std::uint64_t>(24'000, 25'000));
  CHECK(bounds(5, views::kAll) == std::pair<std::uint64_t, std::uint64_t>(25'001, 27'999));
  CHECK(bounds(2, views::kQuarterOctaves) == std::pair<std::uint64_t, std::uint64_t>(1, 1'249));
  CHECK(bounds(4, views::kQuarterOctaves) == std::pair<std::uint64_t, std::uint64_t>(24'000, 27'999));
  CHECK(bounds(5, views::kOtelHttpBounds) == std::pair<std::uint64_t, std::uint64_t>(25'001, 50'000));
  CHECK(bounds(6, views::kOtelHttpBounds) == std::pair<std::uint64_t, std::uint64_t>(90'000'000, 90'000'000));
  const auto unasked = quantile(*window, Phase::kRequest, 2.0 / 6);
  REQUIRE(unasked);
  CHECK(unasked->upper_us == 124);
}

TEST_CASE("quantile: there is none of nothing, of a phase that does not exist, and beyond 0 and 1") {
  Window window;
  CHECK_FALSE(quantile(window, Phase::kRequest, 0.5));
  window[Phase::kRequest].buckets[0] = window[Phase::kQueue].buckets[0] = 1;
  CHECK(quantile(window, Phase::kRequest, 0.5));
  CHECK_FALSE(quantile(window, Phase::kQueue, 0.5));
  CHECK_FALSE(quantile(window, Phase::kRequest, 1.5));
  CHECK_FALSE(quantile(window, Phase::kRequest, std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("quantile: the last of as many requests as a counter can hold is the longest") {
  Window window;
  PhaseWindow& durations = window.phases[index(Phase::kRequest)];
  durations.buckets.front() = UINT64_MAX - 1;
  durations.buckets.back() = 1;
  durations.smallest_us = 1;
  durations.largest_us = 90'000'000;
  const auto bounds = quantile(window, Phase::kRequest, 1.0);
  REQUIRE(bounds);
  CHECK(bounds->upper_us == 90'000'000);
}
