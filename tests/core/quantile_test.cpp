#include "sluice/quantile.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <limits>
#include <vector>

#include "random.hpp"
#include "sluice/recorder.hpp"

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

TEST_CASE("quantile: there is none of nothing, of a phase that does not exist, and beyond 0 and 1") {
  Window window;
  CHECK_FALSE(quantile(window, Phase::kRequest, 0.5));
  window[Phase::kRequest].buckets[0] = window[Phase::kQueue].buckets[0] = 1;
  CHECK(quantile(window, Phase::kRequest, 0.5));
  CHECK_FALSE(quantile(window, Phase::kQueue, 0.5));
  CHECK_FALSE(quantile(window, Phase::kRequest, 1.5));
  CHECK_FALSE(quantile(window, Phase::kRequest, std::numeric_limits<double>::quiet_NaN()));
}
