// SPDX-License-Identifier: Apache-2.0
#include "encode/catalogue.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>

#include "encode/families.hpp"
#include "sluice/units.hpp"

namespace sluice::encode {
namespace {

void single(Visitor& to, const Family& family, const Interval& interval, const Amount& amount) {
  to.begin(family, interval);
  to.point({}, amount);
  to.end();
}

void visit_phases(const Window& window, const Interval& interval, PhaseSet phases, Visitor& to) {
  if (phases.has(Phase::kRequest)) {
    to.begin(kDuration, interval);
    to.histogram({}, Phase::kRequest, window[Phase::kRequest]);
    to.end();
  }
  bool begun = false;
  for (std::size_t i = 0; i < phases_of(window.mode); ++i) {
    const auto phase = static_cast<Phase>(i);
    if (phase == Phase::kRequest || !phases.has(phase)) continue;
    if (!begun) to.begin(kPhase, interval);
    begun = true;
    to.histogram({"phase", short_name(phase)}, phase, window[phase]);
  }
  if (begun) to.end();
}

void visit_window(const Window& window, PhaseSet phases, Visitor& to) {
  const Interval interval{window.start_time, window.stop_time};
  std::uint64_t busy_ns = 0;
  std::uint64_t cpu_ns = 0;
  for (const SlotWindow& slot : window.slots) {
    busy_ns += slot.busy_ns;
    cpu_ns += slot.cpu_ns;
  }
  to.begin(kRequests, interval);
  for (std::size_t i = 0; i < kClasses.size(); ++i) to.point({"status_class", kClasses[i]}, {window.status_classes[i]});
  to.end();
  visit_phases(window, interval, phases, to);
  single(to, kBusy, interval, {busy_ns, kNs});
  single(to, kCpu, interval, {cpu_ns, kNs});
  if (phases.has(Phase::kGilWait)) single(to, kWaits, interval, {window.gil_wait_count});
  single(to, kInput, interval, {window.input_bytes});
  single(to, kReads, interval, {window.input_reads});
  single(to, kOutput, interval, {window.output_bytes});
  single(to, kWrites, interval, {window.output_writes});
  single(to, kThreads, interval, {window.threads_started});
  single(to, kLimit, interval, {window.slots.size()});
}

void visit_totals(const ProcessTotals& totals, bool alone, Visitor& to) {
  const Interval interval{totals.restart_time, totals.current_time};
  if (alone) {
    single(to, kRequests, interval, {totals.request_count});
    single(to, kBusy, interval, {totals.request_busy_ns, kNs});
  }
  to.begin(kOfThread, interval);
  for (const ThreadTotals& thread : totals.threads) {
    std::array<char, 20> id{};
    const auto end = std::to_chars(id.begin(), id.end(), thread.thread_id).ptr;
    to.point({"thread", {id.data(), static_cast<std::size_t>(end - id.data())}}, {thread.request_count});
  }
  to.end();
}

const View& view_of(Resolution resolution) noexcept {
  switch (resolution) {
    case Resolution::kOctaves:
      return views::kOctaves;
    case Resolution::kOtelHttpBounds:
      return views::kOtelHttpBounds;
    case Resolution::kAll:
      return views::kAll;
    default:
      return views::kQuarterOctaves;
  }
}

/// Returns the bound to write for a bound of the layout. Those of kOtelHttpBounds are inclusive, as in the formats.
std::uint64_t written_bound_us(std::uint64_t bound_us, Bounds how) noexcept {
  const auto& inclusive = bounds::kOtelHttpBounds;
  return how == Bounds::kExact || std::binary_search(inclusive.begin(), inclusive.end(), bound_us) ? bound_us - 1
                                                                                                   : bound_us;
}

}  // namespace

double Amount::as_double() const noexcept {
  double unit = 1.0;
  for (unsigned i = 0; i < decimals; ++i) unit *= 10.0;
  return static_cast<double>(value) / unit;
}

Buckets merged(const PhaseWindow& phase, const Histograms& how, Resolution by_format) noexcept {
  const View& view = view_of(how.resolution == Resolution::kByFormat ? by_format : how.resolution);
  Buckets buckets;
  for (std::size_t entry = 0; entry + 1 < view.size(); ++entry) {
    const std::uint64_t count = view.count(phase.buckets, entry);
    const std::uint64_t upper_us = written_bound_us(view.lower_bound_us(entry + 1), how.bounds);
    // If rounded, 5 ms and 10 ms are the names of two bounds each. The later bound includes durations of exactly that.
    if (buckets.size != 0 && buckets.upper_us[buckets.size - 1] == upper_us) {
      buckets.counts[buckets.size - 1] += count;
      continue;
    }
    buckets.counts[buckets.size] = count;
    buckets.upper_us[buckets.size++] = upper_us;
  }
  buckets.counts[buckets.size] = view.count(phase.buckets, view.size() - 1);
  return buckets;
}

void put_bound(Sink& sink, const std::uint64_t* upper_us) noexcept {
  if (upper_us == nullptr) return sink.put("+Inf");
  put_decimal(sink, *upper_us, kUs, true);
}

std::string_view short_name(Phase phase) noexcept {
  const std::string_view name = kPhaseNames[index(phase)];
  return name.substr(0, name.size() - std::string_view("_time").size());
}

void visit(const Source& source, PhaseSet phases, Visitor& visitor) {
  if (source.window != nullptr) visit_window(*source.window, phases, visitor);
  if (source.totals != nullptr) visit_totals(*source.totals, source.window == nullptr, visitor);
  if (source.window == nullptr && source.totals == nullptr) return;
  const Resources& used = source.totals != nullptr ? source.totals->resources : source.window->resources;
  const std::uint64_t active =
      source.totals != nullptr ? source.totals->active_requests : source.window->active_requests;
  const Interval interval = source.totals != nullptr
                                ? Interval{source.totals->restart_time, source.totals->current_time}
                                : Interval{source.window->start_time, source.window->stop_time};
  single(visitor, kActive, interval, {active});
  // A sum since the process began, whose time is not known here.
  single(visitor, kProcessCpu, {0.0, interval.stop}, {used.cpu_user_us + used.cpu_system_us, kUs});
  single(visitor, kMemory, interval, {used.memory_rss});
}

double stop_time(const Source& source) noexcept {
  if (source.window != nullptr) return source.window->stop_time;
  return source.totals != nullptr ? source.totals->current_time : 0.0;
}

std::uint64_t epoch_ns(double seconds) noexcept {
  if (!(seconds > 0.0)) return 0;
  // Whole seconds are converted separately, because the product with 1e9 would lose digits.
  const double whole = std::floor(seconds);
  return static_cast<std::uint64_t>(whole) * kNsPerSecond +
         static_cast<std::uint64_t>(std::llround((seconds - whole) * 1e9));
}

void put_name(Sink& sink, std::string_view name, bool first) noexcept {
  for (const char byte : name) {
    sink.put(name_character(byte, first));
    first = false;
  }
}

bool same_name(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (name_character(a[i], i == 0) != name_character(b[i], i == 0)) return false;
  }
  return true;
}

}  // namespace sluice::encode
