// SPDX-License-Identifier: Apache-2.0
// The fields of request_metrics().
#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

#include "adapters/wsgi/schema/window.hpp"
#include "bindings/convert.hpp"
#include "bindings/schema.hpp"

namespace sluice::bindings {
namespace {

template <auto kMember>
PyObject* value_of(const Sample& sample) {
  return number(sample.window->*kMember);
}

template <double (Window::*Method)() const noexcept>
PyObject* derived(const Sample& sample) {
  return number((sample.window->*Method)());
}

template <std::uint64_t SlotWindow::*kMember>
PyObject* slot_counts(const Sample& sample) {
  const auto& slots = sample.window->slots;
  return list_of(slots.size(), [&](std::size_t i) { return number(slots[i].*kMember); });
}

template <std::uint64_t SlotWindow::*kMember>
PyObject* slot_seconds(const Sample& sample) {
  const auto& slots = sample.window->slots;
  return list_of(slots.size(), [&](std::size_t i) { return number(seconds_of_ns(slots[i].*kMember)); });
}

template <wsgi::BySlot kValue>
PyObject* slot_values(const Sample& sample) {
  const Window& window = *sample.window;
  return list_of(window.slots.size(),
                 [&](std::size_t i) { return number(seconds_of_ns(wsgi::by_slot(window, i, kValue))); });
}

template <std::size_t kAmount>
PyObject* amount(const Sample& sample) {
  return number(wsgi::amount_of(sample.window->counts(), kAmount));
}

PyObject* gil_waits(const Sample& sample) { return number(wsgi::gil_wait_count(sample.window->counts())); }

template <wsgi::Phase kPhase>
PyObject* mean(const Sample& sample) {
  return number(wsgi::mean_seconds(*sample.window, kPhase));
}

template <wsgi::Phase kPhase>
PyObject* smallest(const Sample& sample) {
  return number(wsgi::phase_of(*sample.window, kPhase).smallest);
}

template <wsgi::Phase kPhase>
PyObject* largest(const Sample& sample) {
  return number(wsgi::phase_of(*sample.window, kPhase).largest);
}

/// Begins with zeros, because most buckets of most windows are empty.
PyObject* bucket_list(const Window& window, std::span<const std::uint64_t> buckets) {
  constexpr const View& kEntries = wsgi::views::kQuarterOctaves;
  Object list = steal(zeros(kEntries.size()));
  if (!list || window.request_count == 0) return list.release().ptr();
  std::size_t entry = 0;
  for (std::size_t bucket = 0; bucket < buckets.size(); ++bucket) {
    if (buckets[bucket] == 0) continue;
    while (kEntries.first(entry + 1) <= bucket) ++entry;
    if (!set_count(list, entry, kEntries.count(buckets, entry))) return nullptr;
  }
  return list.release().ptr();
}

template <wsgi::Phase kPhase>
PyObject* buckets(const Sample& sample) {
  return bucket_list(*sample.window, wsgi::phase_of(*sample.window, kPhase).buckets);
}

template <std::size_t kClass>
PyObject* status(const Sample& sample) {
  return number(wsgi::status_classes(sample.window->counts())[kClass]);
}

constexpr Modes modes_of(wsgi::Phase phase) {
  return index(phase) < wsgi::kEmbeddedPhases ? Modes::kBoth : Modes::kDaemonOnly;
}

/// A text that a template can have as an argument.
template <std::size_t kSize>
struct Text {
  constexpr Text(const char (&text)[kSize]) noexcept { std::copy_n(text, kSize, chars); }  // NOLINT: literals convert
  char chars[kSize];
};

/// The characters of a key: the name of a phase and a suffix.
template <wsgi::Phase kPhase, Text kSuffix>
constexpr auto kPhaseKey = [] {
  constexpr std::string_view kName = wsgi::kPhaseNames[index(kPhase)];
  constexpr std::string_view kEnd = kSuffix.chars;
  std::array<char, kName.size() + kEnd.size()> key{};
  std::copy(kEnd.begin(), kEnd.end(), std::copy(kName.begin(), kName.end(), key.begin()));
  return key;
}();

template <wsgi::Phase kPhase, Text kSuffix>
constexpr Field phase_field(Type type, Unit unit, ToPython to_python, NoneRule none) {
  return {.key = std::string_view(kPhaseKey<kPhase, kSuffix>.data(), kPhaseKey<kPhase, kSuffix>.size()),
          .type = type,
          .unit = unit,
          .to_python = to_python,
          .none = none,
          .modes = modes_of(kPhase),
          .phase = kPhase};
}

template <wsgi::Phase kPhase>
constexpr std::array kMeanOf = {
    phase_field<kPhase, "">(Type::kFloat, Unit::kSeconds, mean<kPhase>,
                            modes_of(kPhase) == Modes::kDaemonOnly ? NoneRule::kEmbeddedMode : NoneRule::kNever)};

template <wsgi::Phase kPhase>
constexpr std::array kExtremesOf = {
    phase_field<kPhase, "_min_us">(Type::kInt, Unit::kMicroseconds, smallest<kPhase>, NoneRule::kUnobserved),
    phase_field<kPhase, "_max_us">(Type::kInt, Unit::kMicroseconds, largest<kPhase>, NoneRule::kUnobserved)};

template <wsgi::Phase kPhase>
constexpr std::array kBucketsOf = {
    phase_field<kPhase, "_buckets">(Type::kIntList, Unit::kCount, buckets<kPhase>, NoneRule::kNever)};

/// Joins arrays of fields.
template <std::size_t... kSizes>
constexpr auto joined(const std::array<Field, kSizes>&... parts) {
  std::array<Field, (kSizes + ...)> all{};
  auto to = all.begin();
  ((to = std::copy(parts.begin(), parts.end(), to)), ...);
  return all;
}

/// The order of the phases in the specification: the waits for an interpreter lock have their keys last.
constexpr auto kOrder = [] {
  auto order = wsgi::kReportOrder;
  const auto waits = std::find(order.begin(), order.end(), wsgi::Phase::kGilWait);
  std::rotate(waits, waits + 1, order.end());
  return order;
}();

using AllPhases = std::make_index_sequence<wsgi::kPhases>;
using PhasesBeforeWaits = std::make_index_sequence<wsgi::kPhases - 1>;

template <std::size_t... kI>
constexpr auto means(std::index_sequence<kI...>) {
  return joined(kMeanOf<kOrder[kI]>...);
}

template <std::size_t... kI>
constexpr auto extremes(std::index_sequence<kI...>) {
  return joined(kExtremesOf<kOrder[kI]>...);
}

template <std::size_t... kI>
constexpr auto bucket_lists(std::index_sequence<kI...>) {
  return joined(kBucketsOf<kOrder[kI]>...);
}

constexpr Field count_field(std::string_view key, ToPython to_python) {
  return {.key = key, .type = Type::kInt, .unit = Unit::kCount, .to_python = to_python};
}

constexpr Field bytes_field(std::string_view key, ToPython to_python) {
  return {.key = key, .type = Type::kInt, .unit = Unit::kBytes, .to_python = to_python};
}

constexpr Field float_field(std::string_view key, Unit unit, ToPython to_python) {
  return {.key = key, .type = Type::kFloat, .unit = unit, .to_python = to_python};
}

constexpr Field seconds_list_field(std::string_view key, ToPython to_python) {
  return {.key = key, .type = Type::kFloatList, .unit = Unit::kSeconds, .to_python = to_python};
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

constexpr auto kGeneral = std::to_array<Field>({
    {.key = "pid", .type = Type::kInt, .to_python = pid},
    float_field("start_time", Unit::kEpochSeconds, value_of<&Window::start_time>),
    float_field("stop_time", Unit::kEpochSeconds, value_of<&Window::stop_time>),
    float_field("sample_period", Unit::kSeconds, value_of<&Window::sample_period>),

    count_field("request_count", value_of<&Window::request_count>),
    float_field("request_throughput", Unit::kPerSecond, derived<&Window::request_throughput>),

    count_field("request_threads_maximum", threads_maximum),
    count_field("request_threads_started", threads_started),
    count_field("request_threads_active", threads_active),
    float_field("capacity_utilization", Unit::kRatio, derived<&Window::capacity_utilization>),
    {.key = "request_threads_completed",
     .type = Type::kIntList,
     .unit = Unit::kCount,
     .to_python = slot_counts<&SlotWindow::completed>},
    {.key = "request_threads_buckets",
     .type = Type::kIntList,
     .unit = Unit::kCount,
     .alias_of = "request_threads_completed"},
    seconds_list_field("request_threads_busy_time", slot_seconds<&SlotWindow::busy_ns>),
    seconds_list_field("request_threads_cpu_time", slot_values<wsgi::BySlot::kCpuNs>),
    seconds_list_field("request_threads_current_elapsed", slot_seconds<&SlotWindow::current_elapsed_ns>),
    seconds_list_field("request_threads_max_duration", slot_values<wsgi::BySlot::kMaxDurationNs>),
});

constexpr auto kWaits = std::to_array<Field>({count_field("gil_wait_count", gil_waits)});

template <std::size_t... kI>
constexpr std::array<Field, sizeof...(kI)> amounts(std::index_sequence<kI...>) {
  return {(wsgi::kAmounts[kI].in_bytes ? bytes_field(wsgi::kAmounts[kI].name, amount<kI>)
                                       : count_field(wsgi::kAmounts[kI].name, amount<kI>))...};
}

constexpr auto kOutcomes = std::to_array<Field>({
    count_field("status_1xx", status<0>),
    count_field("status_2xx", status<1>),
    count_field("status_3xx", status<2>),
    count_field("status_4xx", status<3>),
    count_field("status_5xx", status<4>),

    float_field("cpu_user_utilization", Unit::kRatio, derived<&Window::cpu_user_utilization>),
    float_field("cpu_system_utilization", Unit::kRatio, derived<&Window::cpu_system_utilization>),
    float_field("cpu_utilization", Unit::kRatio, cpu_utilization),
    {.key = "cpu_user_time", .type = Type::kFloat, .unit = Unit::kRatio, .alias_of = "cpu_user_utilization"},
    {.key = "cpu_system_time", .type = Type::kFloat, .unit = Unit::kRatio, .alias_of = "cpu_system_utilization"},
    {.key = "cpu_time", .type = Type::kFloat, .unit = Unit::kRatio, .alias_of = "cpu_utilization"},

    bytes_field("memory_rss", memory_rss),
    bytes_field("memory_max_rss", memory_max_rss),
});

constexpr auto kFields =
    joined(kGeneral, means(PhasesBeforeWaits()), extremes(PhasesBeforeWaits()), bucket_lists(AllPhases()),
           kMeanOf<wsgi::Phase::kGilWait>, kExtremesOf<wsgi::Phase::kGilWait>, kWaits,
           amounts(std::make_index_sequence<wsgi::kAmounts.size()>()), kOutcomes);

}  // namespace

std::span<const Field> request_fields() noexcept { return kFields; }

}  // namespace sluice::bindings
