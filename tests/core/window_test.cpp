// SPDX-License-Identifier: Apache-2.0
#include "sluice/window.hpp"
#include "tests/catch.hpp"

using namespace sluice;

namespace {

Window window_of(std::size_t slots) {
  Window window;
  window.slots.resize(slots);
  return window;
}

}  // namespace

TEST_CASE("window: an empty one has no extremes, and rates and means of 0") {
  const Window window = window_of(3);
  for (const PhaseWindow& phase : window.phases) {
    CHECK_FALSE(phase.observed());
    CHECK_FALSE(phase.min_us().has_value());
    CHECK_FALSE(phase.max_us().has_value());
  }
  CHECK(window.request_throughput() == 0.0);
  CHECK(window.cpu_user_utilization() == 0.0);
  CHECK(window.cpu_system_utilization() == 0.0);
  CHECK(window.capacity_utilization() == 0.0);
  CHECK(window.mean_seconds(Phase::kRequest) == 0.0);
  CHECK(window.threads_active() == 0);
}

TEST_CASE("window: rates are per second of the sample period") {
  Window window = window_of(2);
  window.sample_period = 4.0;
  window.request_count = 10;
  window.cpu_user_us = 6'000'000;
  window.cpu_system_us = 1'000'000;
  window.slots[0].busy_ns = 4'000'000'000;
  window.slots[1].busy_ns = 2'000'000'000;
  window[Phase::kServer].total_us = 25'000'000;
  CHECK(window.request_throughput() == 2.5);
  CHECK(window.cpu_user_utilization() == 1.5);
  CHECK(window.cpu_system_utilization() == 0.25);
  CHECK(window.capacity_utilization() == 0.75);
  CHECK(window.mean_seconds(Phase::kServer) == 2.5);
}

TEST_CASE("window: one of zero length has rates of 0 whatever it counted") {
  Window window = window_of(1);
  window.request_count = 3;
  window.cpu_user_us = 100;
  window.slots[0].completed = 3;
  CHECK(window.request_throughput() == 0.0);
  CHECK(window.cpu_user_utilization() == 0.0);
  CHECK(window.capacity_utilization() == 0.0);
}

TEST_CASE("window: a slot is active if it completed a request or is in one at the end") {
  Window window = window_of(4);
  window.slots[0].completed = 2;
  window.slots[1].in_flight = true;
  window.slots[2] = {.completed = 1, .in_flight = true};
  CHECK(window.threads_active() == 3);
}

TEST_CASE("window: merging adds counts, widens extremes and keeps the later state of each slot") {
  Window earlier = window_of(1);
  earlier.request_count = 1;
  earlier.status_classes = {0, 1, 0, 0, 0};
  earlier[Phase::kRequest] = {.total_us = 20, .smallest_us = 20, .largest_us = 20};
  earlier[Phase::kRequest].buckets[0] = 1;
  earlier.slots[0] = {
      .completed = 1, .busy_ns = 5, .cpu_ns = 7, .current_elapsed_ns = 3, .max_duration_ns = 9, .in_flight = true};
  Window later = window_of(1);
  later.request_count = 2;
  later.status_classes = {0, 0, 0, 0, 2};
  later[Phase::kRequest] = {.total_us = 5010, .smallest_us = 10, .largest_us = 5000};
  later[Phase::kRequest].buckets[0] = 1;
  later[Phase::kRequest].buckets[9] = 1;
  later.slots[0] = {.completed = 2, .busy_ns = 6, .cpu_ns = 1, .max_duration_ns = 4};

  earlier.merge_counts(later);
  CHECK(earlier.request_count == 3);
  CHECK(earlier.status_classes == std::array<std::uint64_t, 5>{0, 1, 0, 0, 2});
  const PhaseWindow& phase = earlier[Phase::kRequest];
  CHECK(phase.total_us == 5030);
  CHECK(phase.min_us() == 10);
  CHECK(phase.max_us() == 5000);
  CHECK(phase.buckets[0] == 2);
  CHECK(phase.buckets[9] == 1);
  CHECK(earlier.slots[0].completed == 3);
  CHECK(earlier.slots[0].busy_ns == 11);
  CHECK(earlier.slots[0].cpu_ns == 8);
  CHECK(earlier.slots[0].max_duration_ns == 9);
  CHECK(earlier.slots[0].current_elapsed_ns == 0);
  CHECK_FALSE(earlier.slots[0].in_flight);
}

TEST_CASE("window: merging an empty one changes no extremes") {
  Window window = window_of(1);
  window.request_count = 1;
  window[Phase::kServer] = {.total_us = 8, .smallest_us = 8, .largest_us = 8};
  window.merge_counts(window_of(1));
  CHECK(window[Phase::kServer].min_us() == 8);
  CHECK(window[Phase::kServer].max_us() == 8);
}

TEST_CASE("window: cleared counts leave the slots and the times") {
  Window window = window_of(2);
  window.start_time = 5.0;
  window.request_count = 1;
  window.gil_wait_count = window.input_bytes = window.output_writes = 3;
  window.status_classes[1] = 1;
  window.slots[1].completed = 1;
  window.clear_counts();
  CHECK(window.request_count == 0);
  CHECK(window.gil_wait_count + window.input_bytes + window.output_writes == 0);
  CHECK(window.status_classes[1] == 0);
  CHECK(window.slots.size() == 2);
  CHECK(window.slots[1].completed == 0);
  CHECK(window.start_time == 5.0);
}
