// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/log_limit.hpp"
#include "tests/catch.hpp"

TEST_CASE("log limit: the first event is logged, and the others once in a minute with their number") {
  sluice::wsgi::LogLimit limit;
  CHECK(limit.count(1) == 1);
  for (int i = 0; i < 9; ++i) CHECK(limit.count(2) == 0);
  CHECK(limit.count(1 + sluice::wsgi::LogLimit::kIntervalNs) == 10);
  CHECK(limit.count(2 + sluice::wsgi::LogLimit::kIntervalNs) == 0);
}
