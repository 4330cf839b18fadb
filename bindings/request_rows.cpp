// The table of request_metrics().
#include <array>

#include "bindings/makers.hpp"
#include "bindings/schema.hpp"
#include "sluice/view.hpp"

namespace sluice::bindings {
namespace {

template <std::uint64_t Window::*Field>
PyObject* field(const Sample& sample) {
  return number(sample.window->*Field);
}

template <double Window::*Field>
PyObject* float_field(const Sample& sample) {
  return number(sample.window->*Field);
}

template <double (Window::*Method)() const noexcept>
PyObject* derived(const Sample& sample) {
  return number((sample.window->*Method)());
}

template <std::uint64_t SlotWindow::*Field>
PyObject* slot_counts(const Sample& sample) {
  const auto& slots = sample.window->slots;
  return count_list(slots.size(), [&](std::size_t i) { return slots[i].*Field; });
}

template <std::uint64_t SlotWindow::*Field>
PyObject* slot_seconds(const Sample& sample) {
  const auto& slots = sample.window->slots;
  return list_of(slots.size(), [&](std::size_t i) { return number(seconds_of_ns(slots[i].*Field)); });
}

template <Phase kPhase>
PyObject* mean(const Sample& sample) {
  return number(sample.window->mean_seconds(kPhase));
}

template <Phase kPhase>
PyObject* smallest(const Sample& sample) {
  return number((*sample.window)[kPhase].smallest_us);
}

template <Phase kPhase>
PyObject* largest(const Sample& sample) {
  return number((*sample.window)[kPhase].largest_us);
}

template <Phase kPhase>
PyObject* buckets(const Sample& sample) {
  const auto& counts = (*sample.window)[kPhase].buckets;
  return count_list(views::kQuarterOctaves.size(),
                    [&](std::size_t i) { return views::kQuarterOctaves.count(counts, i); });
}

template <std::size_t kClass>
PyObject* status(const Sample& sample) {
  return number(sample.window->status_classes[kClass]);
}

constexpr Modes modes_of(Phase phase) { return index(phase) < kEmbeddedPhases ? Modes::kBoth : Modes::kDaemonOnly; }

template <Phase kPhase>
constexpr Row mean_row(std::string_view key) {
  return {.key = key,
          .type = Type::kFloat,
          .unit = Unit::kSeconds,
          .make = mean<kPhase>,
          .none = modes_of(kPhase) == Modes::kDaemonOnly ? NoneRule::kEmbeddedMode : NoneRule::kNever,
          .modes = modes_of(kPhase),
          .phase = kPhase};
}

template <Phase kPhase>
constexpr Row smallest_row(std::string_view key) {
  return {.key = key,
          .type = Type::kInt,
          .unit = Unit::kMicroseconds,
          .make = smallest<kPhase>,
          .none = NoneRule::kUnobserved,
          .modes = modes_of(kPhase),
          .phase = kPhase};
}

template <Phase kPhase>
constexpr Row largest_row(std::string_view key) {
  return {.key = key,
          .type = Type::kInt,
          .unit = Unit::kMicroseconds,
          .make = largest<kPhase>,
          .none = NoneRule::kUnobserved,
          .modes = modes_of(kPhase),
          .phase = kPhase};
}

template <Phase kPhase>
constexpr Row bucket_row(std::string_view key) {
  return {.key = key,
          .type = Type::kIntList,
          .unit = Unit::kCount,
          .make = buckets<kPhase>,
          .modes = modes_of(kPhase),
          .phase = kPhase};
}

constexpr Row count_row(std::string_view key, Maker make) {
  return {.key = key, .type = Type::kInt, .unit = Unit::kCount, .make = make};
}

constexpr Row bytes_row(std::string_view key, Maker make) {
  return {.key = key, .type = Type::kInt, .unit = Unit::kBytes, .make = make};
}

constexpr Row float_row(std::string_view key, Unit unit, Maker make) {
  return {.key = key, .type = Type::kFloat, .unit = unit, .make = make};
}

constexpr Row seconds_list_row(std::string_view key, Maker make) {
  return {.key = key, .type = Type::kFloatList, .unit = Unit::kSeconds, .make = make};
}

PyObject* pid(const Sample& sample) { return PyLong_FromLong(sample.pid); }
PyObject* threads_maximum(const Sample& sample) { return number(std::uint64_t{sample.window->slots.size()}); }
PyObject* threads_started(const Sample& sample) { return number(std::uint64_t{sample.window->threads_started}); }
PyObject* threads_active(const Sample& sample) { return number(std::uint64_t{sample.window->threads_active()}); }
PyObject* memory_rss(const Sample& sample) { return number(sample.window->resources.memory_rss); }
PyObject* memory_max_rss(const Sample& sample) { return number(sample.window->resources.memory_max_rss); }

PyObject* cpu_utilization(const Sample& sample) {
  return number(sample.window->cpu_user_utilization() + sample.window->cpu_system_utilization());
}

constexpr auto kRows = std::to_array<Row>({
    {.key = "pid", .type = Type::kInt, .make = pid},
    float_row("start_time", Unit::kEpochSeconds, float_field<&Window::start_time>),
    float_row("stop_time", Unit::kEpochSeconds, float_field<&Window::stop_time>),
    float_row("sample_period", Unit::kSeconds, float_field<&Window::sample_period>),

    count_row("request_count", field<&Window::request_count>),
    float_row("request_throughput", Unit::kPerSecond, derived<&Window::request_throughput>),

    count_row("request_threads_maximum", threads_maximum),
    count_row("request_threads_started", threads_started),
    count_row("request_threads_active", threads_active),
    float_row("capacity_utilization", Unit::kRatio, derived<&Window::capacity_utilization>),
    {.key = "request_threads_completed",
     .type = Type::kIntList,
     .unit = Unit::kCount,
     .make = slot_counts<&SlotWindow::completed>},
    {.key = "request_threads_buckets",
     .type = Type::kIntList,
     .unit = Unit::kCount,
     .alias_of = "request_threads_completed"},
    seconds_list_row("request_threads_busy_time", slot_seconds<&SlotWindow::busy_ns>),
    seconds_list_row("request_threads_cpu_time", slot_seconds<&SlotWindow::cpu_ns>),
    seconds_list_row("request_threads_current_elapsed", slot_seconds<&SlotWindow::current_elapsed_ns>),
    seconds_list_row("request_threads_max_duration", slot_seconds<&SlotWindow::max_duration_ns>),

    mean_row<Phase::kServer>("server_time"),
    mean_row<Phase::kQueue>("queue_time"),
    mean_row<Phase::kDaemon>("daemon_time"),
    mean_row<Phase::kApplication>("application_time"),
    mean_row<Phase::kRequest>("request_time"),
    mean_row<Phase::kInputRead>("input_read_time"),
    mean_row<Phase::kOutputWrite>("output_write_time"),

    smallest_row<Phase::kServer>("server_time_min_us"),
    largest_row<Phase::kServer>("server_time_max_us"),
    smallest_row<Phase::kQueue>("queue_time_min_us"),
    largest_row<Phase::kQueue>("queue_time_max_us"),
    smallest_row<Phase::kDaemon>("daemon_time_min_us"),
    largest_row<Phase::kDaemon>("daemon_time_max_us"),
    smallest_row<Phase::kApplication>("application_time_min_us"),
    largest_row<Phase::kApplication>("application_time_max_us"),
    smallest_row<Phase::kRequest>("request_time_min_us"),
    largest_row<Phase::kRequest>("request_time_max_us"),
    smallest_row<Phase::kInputRead>("input_read_time_min_us"),
    largest_row<Phase::kInputRead>("input_read_time_max_us"),
    smallest_row<Phase::kOutputWrite>("output_write_time_min_us"),
    largest_row<Phase::kOutputWrite>("output_write_time_max_us"),

    bucket_row<Phase::kServer>("server_time_buckets"),
    bucket_row<Phase::kQueue>("queue_time_buckets"),
    bucket_row<Phase::kDaemon>("daemon_time_buckets"),
    bucket_row<Phase::kApplication>("application_time_buckets"),
    bucket_row<Phase::kRequest>("request_time_buckets"),
    bucket_row<Phase::kInputRead>("input_read_time_buckets"),
    bucket_row<Phase::kOutputWrite>("output_write_time_buckets"),
    bucket_row<Phase::kGilWait>("gil_wait_time_buckets"),

    mean_row<Phase::kGilWait>("gil_wait_time"),
    smallest_row<Phase::kGilWait>("gil_wait_time_min_us"),
    largest_row<Phase::kGilWait>("gil_wait_time_max_us"),
    count_row("gil_wait_count", field<&Window::gil_wait_count>),

    bytes_row("input_bytes", field<&Window::input_bytes>),
    count_row("input_reads", field<&Window::input_reads>),
    bytes_row("output_bytes", field<&Window::output_bytes>),
    count_row("output_writes", field<&Window::output_writes>),

    count_row("status_1xx", status<0>),
    count_row("status_2xx", status<1>),
    count_row("status_3xx", status<2>),
    count_row("status_4xx", status<3>),
    count_row("status_5xx", status<4>),

    float_row("cpu_user_utilization", Unit::kRatio, derived<&Window::cpu_user_utilization>),
    float_row("cpu_system_utilization", Unit::kRatio, derived<&Window::cpu_system_utilization>),
    float_row("cpu_utilization", Unit::kRatio, cpu_utilization),
    {.key = "cpu_user_time", .type = Type::kFloat, .unit = Unit::kRatio, .alias_of = "cpu_user_utilization"},
    {.key = "cpu_system_time", .type = Type::kFloat, .unit = Unit::kRatio, .alias_of = "cpu_system_utilization"},
    {.key = "cpu_time", .type = Type::kFloat, .unit = Unit::kRatio, .alias_of = "cpu_utilization"},

    bytes_row("memory_rss", memory_rss),
    bytes_row("memory_max_rss", memory_max_rss),
});

}  // namespace

std::span<const Row> request_rows() noexcept { return kRows; }

}  // namespace sluice::bindings
