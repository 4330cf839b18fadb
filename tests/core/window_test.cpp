// SPDX-License-Identifier: Apache-2.0
#include "sluice/window.hpp"

#include "phases.hpp"
#include "random.hpp"
#include "recorded_window.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

Window window_of(std::size_t slots) { return empty_window(slots); }

/// Sets what a window has by slot.
void set_by_slot(Window& window, std::uint64_t cpu_ns, std::uint64_t max_duration_ns) {
  window.slot_values[static_cast<std::size_t>(BySlot::kCpuNs)] = cpu_ns;
  window.slot_values[static_cast<std::size_t>(BySlot::kMaxDurationNs)] = max_duration_ns;
}

std::uint64_t& status_class(Window& window, std::size_t which) {
  return window.sums[window.schema->fields[detail::field_of<&Completion::status>()].sum + which];
}

/// Counts a request in every field that the mode of a window has.
void count_any(Window& window, Random& random) {
  for (const FieldInfo& field : window.schema->fields) {
    if (!field.exists_in(window.mode)) continue;
    const std::uint64_t value = any_size(random, 36);
    if (field.kind == FieldKind::kCounter) window.sums[field.sum] += value;
    if (field.kind == FieldKind::kClasses) ++window.sums[field.sum + value % field.classes.size()];
    if (field.kind != FieldKind::kHistogram) continue;
    // The extremes of observations are those of single values, here of two halves.
    const std::uint64_t extreme = field.of_observations ? value / 2 : value;
    window.sums[field.sum] += value;
    ++window.sums[field.buckets_at + field.buckets->bucket_of(value)];
    std::uint64_t* const extremes = &window.extremes[field.extreme];
    extremes[0] = std::max(extremes[0], extreme);
    extremes[1] = std::max(extremes[1], ~extreme);
  }
}

}  // namespace

TEST_CASE("window: an empty one has no extremes, and rates and means of 0") {
  const Window window = window_of(3);
  for (std::size_t i = 0; i < kPhases; ++i) {
    const HistogramView phase = phase_of(window, static_cast<Phase>(i));
    CHECK_FALSE(phase.observed());
    CHECK_FALSE(phase.min().has_value());
    CHECK_FALSE(phase.max().has_value());
  }
  CHECK(window.request_throughput() == 0.0);
  CHECK(window.cpu_user_utilization() == 0.0);
  CHECK(window.cpu_system_utilization() == 0.0);
  CHECK(window.capacity_utilization() == 0.0);
  CHECK(mean_seconds(window, Phase::kRequest) == 0.0);
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
  observe(window, Phase::kServer, 25'000'000);
  CHECK(window.request_throughput() == 2.5);
  CHECK(window.cpu_user_utilization() == 1.5);
  CHECK(window.cpu_system_utilization() == 0.25);
  CHECK(window.capacity_utilization() == 0.75);
  CHECK(mean_seconds(window, Phase::kServer) == 2.5);
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
  status_class(earlier, 1) = 1;
  observe(earlier, Phase::kRequest, 20);
  earlier.slots[0] = {.completed = 1, .busy_ns = 5, .current_elapsed_ns = 3, .in_flight = true};
  set_by_slot(earlier, 7, 9);
  Window later = window_of(1);
  later.request_count = 2;
  status_class(later, 4) = 2;
  observe(later, Phase::kRequest, 10);
  observe(later, Phase::kRequest, 5000);
  later.slots[0] = {.completed = 2, .busy_ns = 6};
  set_by_slot(later, 1, 4);

  earlier.merge_counts(later);
  CHECK(earlier.request_count == 3);
  CHECK(classes_of(earlier) == std::array<std::uint64_t, 5>{0, 1, 0, 0, 2});
  const HistogramView phase = phase_of(earlier, Phase::kRequest);
  CHECK(phase.total == 5030);
  CHECK(phase.min() == 10);
  CHECK(phase.max() == 5000);
  CHECK(phase.buckets[BucketLayout::bucket_of(10)] == 1);
  CHECK(phase.buckets[BucketLayout::bucket_of(20)] == 1);
  CHECK(phase.buckets[BucketLayout::bucket_of(5000)] == 1);
  CHECK(earlier.slots[0].completed == 3);
  CHECK(earlier.slots[0].busy_ns == 11);
  CHECK(by_slot(earlier, 0, BySlot::kCpuNs) == 8);
  CHECK(by_slot(earlier, 0, BySlot::kMaxDurationNs) == 9);
  CHECK(earlier.slots[0].current_elapsed_ns == 0);
  CHECK_FALSE(earlier.slots[0].in_flight);
}

TEST_CASE("window: one that no drain has filled becomes the first that is appended, and adds nothing itself") {
  Window first = window_of(1);
  first.request_count = 2;
  status_class(first, 1) = 2;
  observe(first, Phase::kRequest, 20);
  first.start_time = 5;
  Window sum;
  sum.append(first);
  sum.append(first);
  sum.append(Window());
  CHECK(sum.request_count == 4);
  CHECK(classes_of(sum) == std::array<std::uint64_t, 5>{0, 4, 0, 0, 0});
  CHECK(phase_of(sum, Phase::kRequest).total == 40);
  CHECK(sum.start_time == 5);
}

TEST_CASE("window: one of another schema, mode or number of slots is refused, and changes nothing") {
  Window window = window_of(2);
  Window of_another_mode = window_of(2);
  of_another_mode.mode = window.mode == 0 ? 1 : 0;
  Window of_another_schema(schema_info<http::Request>, window.mode, 2);
  for (Window* const other : {&of_another_mode, &of_another_schema}) {
    other->request_count = 1;
    CHECK_THROWS_AS(window.append(*other), std::invalid_argument);
  }
  CHECK_THROWS_AS(window.append(window_of(1)), std::invalid_argument);
  CHECK_THROWS_AS(window_of(1).append(window), std::invalid_argument);
  CHECK(window.request_count == 0);
}

TEST_CASE("window: merging an empty one changes no extremes") {
  Window window = window_of(1);
  window.request_count = 1;
  observe(window, Phase::kServer, 8);
  window.merge_counts(window_of(1));
  CHECK(phase_of(window, Phase::kServer).min() == 8);
  CHECK(phase_of(window, Phase::kServer).max() == 8);
}

TEST_CASE("window: cleared counts leave the slots and the times") {
  Window window = window_of(2);
  window.start_time = 5.0;
  window.request_count = 1;
  observe(window, Phase::kServer, 8);
  status_class(window, 1) = 1;
  set_by_slot(window, 3, 4);
  window.slots[1].completed = 1;
  window.clear_counts();
  CHECK(window.request_count == 0);
  CHECK(phase_of(window, Phase::kServer).count() == 0);
  CHECK_FALSE(phase_of(window, Phase::kServer).observed());
  CHECK(by_slot(window, 0, BySlot::kMaxDurationNs) == 0);
  CHECK(classes_of(window)[1] == 0);
  CHECK(window.slots.size() == 2);
  CHECK(window.slots[1].completed == 0);
  CHECK(window.start_time == 5.0);
}

TEST_CASE("window: what a recorder counted is merged and cleared as any counts are") {
  Random random(seed());
  for (const Mode mode : {Mode::kEmbedded, Mode::kDaemon}) {
    Window merged = empty_window(2, mode);
    Window expected = merged;
    for (int i = 0; i < 200; ++i) {
      Window window = empty_window(2, mode);
      window.request_count = random() % 4;
      for (std::uint64_t requests = window.request_count; requests > 0; --requests) count_any(window, random);
      detail::merge_recorded(merged, window);
      expected.merge_counts(window);
      REQUIRE(merged.sums == expected.sums);
      REQUIRE(merged.extremes == expected.extremes);
      detail::clear_recorded(window);
      REQUIRE(window.sums == empty_window(2, mode).sums);
      REQUIRE(window.extremes == empty_window(2, mode).extremes);
    }
    CHECK(merged.request_count == expected.request_count);
  }
}

TEST_CASE("window: one that is given back is the beginning of the next") {
  ManualClock clock;
  Recorder recorder({.threads = 2, .clock = &clock});
  Worker worker = recorder.attach();
  Reader reader = recorder.add_reader();
  Reader other = recorder.add_reader();
  Request request = worker.begin();
  clock.advance_us(3'000);
  request.finish({.status = 404, .request_us = 3'000});
  const Window lost = reader.drain().value();
  Window window = lost;
  for (int i = 0; i < 2; ++i) {
    reader.give_back(window);
    clock.advance_us(1'000);
    window = reader.drain().value();
  }
  CHECK(window.start_time == lost.start_time);
  CHECK(window.elapsed_ns == 5'000'000);
  CHECK(window.sample_period == window.stop_time - window.start_time);
  CHECK(window.slots[0].busy_ns == 3'000'000);
  CHECK(window.request_count == 1);
  CHECK(*phase_of(window, Phase::kRequest).max() == 3'000);
  CHECK(other.drain().value().request_count == 1);
  CHECK(reader.drain().value().request_count == 0);
}

TEST_CASE("window: one that is given back after another drain is counted once, with its time") {
  ManualClock clock;
  Recorder recorder({.threads = 1, .clock = &clock});
  Worker worker = recorder.attach();
  Reader reader = recorder.add_reader();
  Request request = worker.begin();
  clock.advance_us(3'000);
  request.finish({});
  const Window lost = reader.drain().value();
  clock.advance_us(500);
  const Window between = reader.drain().value();
  reader.give_back(lost);
  clock.advance_us(1'000);
  const Window window = reader.drain().value();
  CHECK(between.request_count == 0);
  CHECK(window.request_count == 1);
  CHECK(window.start_time == between.stop_time);
  CHECK(window.sample_period == 0.004);
  CHECK(window.slots[0].busy_ns <= window.elapsed_ns);
}

}  // namespace sluice::test
