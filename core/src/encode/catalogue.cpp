// SPDX-License-Identifier: Apache-2.0
#include "encode/catalogue.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>

#include "absl/functional/function_ref.h"
#include "encode/families.hpp"
#include "sluice/clock.hpp"
#include "sluice/registry.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1::encode {
namespace {

/// The counts of one owner.
struct Part {
  CountsRef counts;
  std::uint64_t request_count;
  Label of = {};
  Labels series = {};
  std::span<const std::string_view> series_names = {};
  Exemplars exemplars = {};
};

/// The names of the labels of series, each once. Has room for as many as series may reasonably have.
class SeriesLabelNames {
 public:
  SeriesLabelNames() noexcept = default;
  explicit SeriesLabelNames(const SeriesCounts& counts) noexcept { add(counts); }
  void add(const SeriesCounts& counts) noexcept {
    for (const SeriesView& series : counts) {
      for (const Label& label : series.labels) add(label.name);
    }
  }
  [[nodiscard]] std::span<const std::string_view> names() const noexcept {
    return size_ == 0 ? std::span<const std::string_view>() : std::span(names_.data(), size_);
  }

 private:
  void add(std::string_view name) noexcept {
    const auto end = names_.begin() + static_cast<std::ptrdiff_t>(size_);
    if (size_ < names_.size() && std::find(names_.begin(), end, name) == end) names_[size_++] = name;
  }

  std::size_t size_ = 0;
  std::array<std::string_view, 64> names_{};
};

void single(Visitor& to, const Family& family, const Interval& interval, const Amount& amount) {
  to.begin(family, interval);
  to.point({}, amount);
  to.end();
}

constexpr Kind kind_of(FieldKind kind) noexcept {
  return kind == FieldKind::kHistogram ? Kind::kHistogram : kind == FieldKind::kMaximum ? Kind::kGauge : Kind::kCounter;
}

/// The fields of a schema as families.
class Fields {
 public:
  /// `part(i)` returns the counts of owner i, from 0 to `parts` - 1. All have the schema.
  Fields(const SchemaInfo& schema, std::size_t parts, absl::FunctionRef<Part(std::size_t)> part,
         const Interval& interval, FieldSet fields, Visitor& to) noexcept
      : schema_(schema), parts_(parts), part_(part), interval_(interval), fields_(fields), to_(to) {}

  /// Writes the number of requests by the first field of classes that the mode has, if there is one, then all other
  /// fields.
  void visit() {
    if (parts_ == 0) return;
    const auto& fields = schema_.fields;
    to_.begin(kRequests, interval_);
    for (std::size_t i = 0; i < parts_; ++i) {
      const Part part = part_(i);
      if (const FieldInfo* const classes = classes_of_requests(part)) {
        points(part, *classes);
      } else {
        to_.point({{}, {}, part.of, part.series, part.series_names}, {part.request_count});
      }
    }
    to_.end();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool is_first = std::none_of(fields.begin(), fields.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](const FieldInfo& other) { return other.name == fields[i].name; });
      if (is_first) family(fields[i]);
    }
  }

 private:
  /// Returns the field by which the requests of a part are told apart; null if its mode has none.
  [[nodiscard]] const FieldInfo* classes_of_requests(const Part& part) const noexcept {
    for (const FieldInfo& field : schema_.fields) {
      if (field.kind == FieldKind::kClasses && field.exists_in(part.counts.mode())) return &field;
    }
    return nullptr;
  }

  /// Writes all fields of the family of this one, its first.
  void family(const FieldInfo& first) {
    const Family family = family_of(first.name, kind_of(first.kind), first.unit, first.thing, first.help);
    bool begun = false;
    for (std::size_t i = 0; i < parts_; ++i) {
      const Part part = part_(i);
      const FieldInfo* const written = classes_of_requests(part);
      for (const FieldInfo& field : schema_.fields) {
        if (field.name != first.name || &field == written || !is_known(part, field) || !is_wanted(field)) continue;
        if (!begun) to_.begin(family, interval_);
        begun = true;
        points(part, field);
      }
    }
    if (begun) to_.end();
  }

  /// Returns true if the mode has the field, and it is not a maximum of counts that have none.
  static bool is_known(const Part& part, const FieldInfo& field) noexcept {
    return field.exists_in(part.counts.mode()) && (field.kind != FieldKind::kMaximum || part.counts.has_extremes());
  }

  [[nodiscard]] bool is_wanted(const FieldInfo& field) const noexcept {
    return fields_.has(static_cast<std::size_t>(&field - schema_.fields.data()));
  }

  /// Returns true for the field that exemplars are of.
  [[nodiscard]] bool is_measured(const FieldInfo& field) const noexcept {
    return &field - schema_.fields.data() == schema_.measured_field;
  }

  void points(const Part& part, const FieldInfo& field) {
    const Key key{field.label, field.label_value, part.of, part.series, part.series_names};
    switch (field.kind) {
      case FieldKind::kHistogram:
        return to_.histogram(key, part.counts.histogram(field), is_measured(field) ? part.exemplars : Exemplars());
      case FieldKind::kClasses: {
        const std::span<const std::uint64_t> counts = part.counts.classes(field);
        for (std::size_t i = 0; i < field.classes.size(); ++i) {
          to_.point({field.name, field.classes[i], part.of, part.series, part.series_names},
                    {counts.empty() ? 0 : counts[i]});
        }
        return;
      }
      default:
        return to_.point(key, {part.counts.number(field), decimals_of(field.unit)});
    }
  }

  const SchemaInfo& schema_;
  std::size_t parts_;
  absl::FunctionRef<Part(std::size_t)> part_;
  Interval interval_;
  FieldSet fields_;
  Visitor& to_;
};

void visit_window(const Window& window, FieldSet fields, Visitor& to) {
  const Interval interval{window.start_time, window.stop_time};
  if (window.schema != nullptr) {
    const bool has_series = !window.series.unused();
    const SeriesLabelNames names(window.series);
    const auto part = [&](std::size_t i) {
      Exemplars exemplars{.all = window.exemplars, .since = window.start_time};
      if (!has_series) return Part{window.counts(), window.request_count, {}, {}, {}, exemplars};
      const SeriesView series = window.series[i];
      exemplars.series = series.series;
      return Part{series.counts, series.request_count, {}, series.labels, names.names(), exemplars};
    };
    Fields(*window.schema, has_series ? window.series.size() : 1, part, interval, fields, to).visit();
  }
  if (window.event_loops) return;
  std::uint64_t busy_ns = 0;
  for (const SlotWindow& slot : window.slots) busy_ns += slot.busy_ns;
  single(to, kBusy, interval, {busy_ns, kNs});
  single(to, kThreads, interval, {window.threads_started});
  single(to, kLimit, interval, {window.slots.size()});
}

void visit_totals(const ProcessTotals& totals, bool alone, Visitor& to) {
  const Interval interval{totals.restart_time, totals.current_time};
  if (alone) single(to, kRequests, interval, {totals.request_count});
  if (totals.event_loops) return;
  if (alone) {
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

/// Whether a family is of groups whose threads are event loops.
enum class Loops : std::uint8_t { kAny, kOnly, kNone };

/// A family of process groups, and its value in a reading.
struct GroupFamily {
  const Family& family;
  std::uint64_t (*value)(const GroupReading&) noexcept;
  unsigned decimals = 0;
  Loops loops = Loops::kAny;

  [[nodiscard]] bool is_of(const GroupReading& reading) const noexcept {
    return loops == Loops::kAny || reading.event_loops == (loops == Loops::kOnly);
  }
};

constexpr GroupFamily kGroupFamilies[] = {
    {kCompletedBusy, [](const GroupReading& reading) noexcept { return reading.counts.busy_ns; }, kNs, Loops::kNone},
    {kActive, [](const GroupReading& reading) noexcept { return reading.active_requests; }},
    {kLongest, [](const GroupReading& reading) noexcept { return reading.longest_request_ns; }, kNs},
    {kUntracked, [](const GroupReading& reading) noexcept { return reading.untracked_requests; }, 0, Loops::kOnly},
    {kThreads, [](const GroupReading& reading) noexcept { return reading.threads; }, 0, Loops::kNone},
    {kLimit, [](const GroupReading& reading) noexcept { return reading.threads_limit; }, 0, Loops::kNone},
    {kProcesses, [](const GroupReading& reading) noexcept { return reading.processes; }},
    {kUnlisted, [](const GroupReading& reading) noexcept { return reading.unlisted_processes; }},
    {kStarts, [](const GroupReading& reading) noexcept { return reading.process_starts; }},
    {kGroupCpu, [](const GroupReading& reading) noexcept { return reading.counts.process_cpu_us; }, kUs},
    {kResident, [](const GroupReading& reading) noexcept { return reading.resident_bytes; }},
};

Label label_of(const GroupReading& reading, bool named) noexcept {
  return named ? Label{"process_group", reading.name} : Label();
}

/// The counts of readings as parts: one for each reading, or one for each of its series.
class PartsOfReadings {
 public:
  PartsOfReadings(std::span<const GroupReading> readings, bool named, BySeries series) noexcept
      : readings_(readings), named_(named), apart_(series == BySeries::kApart) {
    for (const GroupReading& reading : readings_) {
      size_ += parts_of(reading);
      if (apart_) names_.add(reading.counts.series);
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Returns a part. Costs nothing but a step if the last one was the part before.
  Part operator()(std::size_t i) noexcept {
    if (i < first_) first_ = reading_ = 0;
    while (i - first_ >= parts_of(readings_[reading_])) first_ += parts_of(readings_[reading_++]);
    const GroupReading& reading = readings_[reading_];
    const Label of = label_of(reading, named_);
    if (!has_series(reading)) {
      return {reading.counts.counts(), reading.counts.request_count, of, {}, names_.names()};
    }
    const SeriesView series = reading.counts.series[i - first_];
    return {series.counts, series.request_count, of, series.labels, names_.names()};
  }

 private:
  [[nodiscard]] bool has_series(const GroupReading& reading) const noexcept {
    return apart_ && !reading.counts.series.unused();
  }
  [[nodiscard]] std::size_t parts_of(const GroupReading& reading) const noexcept {
    return has_series(reading) ? reading.counts.series.size() : 1;
  }

  std::span<const GroupReading> readings_;
  bool named_;
  bool apart_;
  SeriesLabelNames names_;
  std::size_t size_ = 0;
  std::size_t reading_ = 0;  ///< The reading of the last part.
  std::size_t first_ = 0;    ///< The first part of that reading.
};

/// Returns the bound to write for a bound of the layout. Inclusive ones are written as the formats define a bound.
std::uint64_t written_bound(std::uint64_t bound, const BucketsInfo& layout, Bounds how) noexcept {
  const bool exact =
      how == Bounds::kExact || std::binary_search(layout.inclusive.begin(), layout.inclusive.end(), bound);
  return exact ? bound - 1 : bound;
}

}  // namespace

double Amount::as_double() const noexcept {
  double unit = 1.0;
  for (unsigned i = 0; i < decimals; ++i) unit *= 10.0;
  return static_cast<double>(value) / unit;
}

Buckets merged(const HistogramView& histogram, const Histograms& how, Resolution by_format) noexcept {
  Buckets buckets;
  if (histogram.buckets.empty()) return buckets;
  const BucketsInfo& layout = *histogram.field->buckets;
  const View& view = layout.view(how.resolution == Resolution::kByFormat ? by_format : how.resolution);
  for (std::size_t entry = 0; entry + 1 < view.size(); ++entry) {
    const std::uint64_t count = view.count(histogram.buckets, entry);
    const std::uint64_t upper = written_bound(view.lower_bound(entry + 1), layout, how.bounds);
    // If rounded, two bounds may have one name. The later one includes values of exactly that.
    if (buckets.size != 0 && buckets.upper[buckets.size - 1] == upper) {
      buckets.counts[buckets.size - 1] += count;
      continue;
    }
    buckets.counts[buckets.size] = count;
    buckets.upper[buckets.size++] = upper;
  }
  buckets.counts[buckets.size] = view.count(histogram.buckets, view.size() - 1);
  return buckets;
}

void put_bound(Sink& sink, const std::uint64_t* upper, unsigned decimals) noexcept {
  if (upper == nullptr) return sink.put("+Inf");
  put_decimal(sink, *upper, decimals, true);
}

std::string_view short_name(const FieldInfo& field, const SchemaInfo* schema) noexcept {
  if (!field.label_value.empty()) return field.label_value;
  const auto shortened = [](const FieldInfo& of) { return of.name.substr(0, of.name.find_last_of('.')); };
  const std::string_view name = shortened(field);
  const auto is_taken = [&](const FieldInfo& other) {
    const std::string_view its = other.label_value.empty() ? shortened(other) : other.label_value;
    return other.kind == FieldKind::kHistogram && other.name != field.name && (its == name || other.name == name);
  };
  if (schema != nullptr && std::any_of(schema->fields.begin(), schema->fields.end(), is_taken)) return field.name;
  return name;
}

void visit(std::span<const GroupReading> readings, bool named, FieldSet fields, Visitor& visitor, BySeries series) {
  if (readings.empty()) return;
  const Interval since_ever{0.0, readings.front().time};  // counts of a group go on through restarts
  if (const SchemaInfo* const schema = readings.front().counts.schema; schema != nullptr) {
    PartsOfReadings parts(readings, named, series);
    const auto part = [&parts](std::size_t i) { return parts(i); };
    Fields(*schema, parts.size(), part, since_ever, fields, visitor).visit();
  }
  for (const GroupFamily& family : kGroupFamilies) {
    const auto is_of = [&family](const GroupReading& reading) { return family.is_of(reading); };
    if (std::none_of(readings.begin(), readings.end(), is_of)) continue;
    visitor.begin(family.family, since_ever);
    for (const GroupReading& reading : readings) {
      if (!is_of(reading)) continue;
      visitor.point({{}, {}, label_of(reading, named)}, {family.value(reading), family.decimals});
    }
    visitor.end();
  }
}

void visit_counts(const Source& source, FieldSet fields, Visitor& visitor) {
  if (source.groups != nullptr) return visit(source.groups->groups, true, fields, visitor);
  if (source.processes != nullptr) return visit(std::span(source.processes, 1), false, fields, visitor);
  if (source.window != nullptr) visit_window(*source.window, fields, visitor);
  if (source.totals != nullptr) visit_totals(*source.totals, source.window == nullptr, visitor);
  if (source.window == nullptr && source.totals == nullptr) return;
  const Resources& used = source.totals != nullptr ? source.totals->resources : source.window->resources;
  const std::uint64_t active =
      source.totals != nullptr ? source.totals->active_requests : source.window->active_requests;
  const Interval interval = source.totals != nullptr
                                ? Interval{source.totals->restart_time, source.totals->current_time}
                                : Interval{source.window->start_time, source.window->stop_time};
  single(visitor, kActive, interval, {active});
  if (source.totals != nullptr ? source.totals->event_loops : source.window->event_loops) {
    const bool totals = source.totals != nullptr;
    const std::uint64_t oldest_ns = totals ? source.totals->oldest_request_ns : source.window->oldest_request_ns;
    single(visitor, kLongest, interval, {oldest_ns, kNs});
    single(visitor, kUntracked, interval,
           {totals ? source.totals->untracked_requests : source.window->untracked_requests});
  }
  // A sum since the process began, whose time is not known here.
  single(visitor, kProcessCpu, {0.0, interval.stop}, {used.cpu_user_us + used.cpu_system_us, kUs});
  single(visitor, kMemory, interval, {used.memory_rss});
}

double stop_time(const Source& source) noexcept {
  if (source.groups != nullptr) return source.groups->total.time;
  if (source.processes != nullptr) return source.processes->time;
  if (source.window != nullptr) return source.window->stop_time;
  if (source.totals != nullptr) return source.totals->current_time;
  return seconds_of_ns(static_cast<std::uint64_t>(system_clock().wall_ns()));  // only gauges are written
}

const SchemaInfo* schema_of(const Source& source) noexcept {
  if (source.groups != nullptr) return source.groups->total.counts.schema;
  if (source.processes != nullptr) return source.processes->counts.schema;
  if (source.window != nullptr) return source.window->schema;
  return source.totals != nullptr ? source.totals->schema : nullptr;
}

std::string_view prefix_of(const std::optional<std::string_view>& prefix, const SchemaInfo* schema) noexcept {
  if (prefix) return *prefix;
  return schema != nullptr ? schema->prefix : SchemaInfo().prefix;
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

bool same_label_name(std::string_view a, std::string_view b) noexcept {
  return same_name(label_name(a), label_name(b));
}

}  // namespace sluice::encode
