// SPDX-License-Identifier: Apache-2.0
#include "sluice/encode/influx.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "encode/sink.hpp"
#include "encode/source.hpp"

namespace sluice::inline v0_1::encode {
namespace {

/// Returns the replacement of a character in names and values of tags and in names of fields. A backslash cannot be
/// escaped, and would escape the character after it.
std::string_view escape(char byte) noexcept {
  switch (byte) {
    case ',':
      return "\\,";
    case '=':
      return "\\=";
    case ' ':
    case '\n':
    case '\r':
    case '\t':
    case '\0':
      return "\\ ";
    case '\\':
      return "/";
    default:
      return {};
  }
}

bool same_tag(std::string_view a, std::string_view b) noexcept { return same_escaped(a, b, escape); }

/// Returns the replacement of a character in the name of a measurement, where an equals sign needs none.
std::string_view escape_measurement(char byte) noexcept {
  if (byte == '=') return {};
  if (byte == '#') return "_";  // a line that begins with it is a comment
  return escape(byte);
}

class Influx final : public Visitor {
 public:
  Influx(const InfluxOptions& options, const SchemaInfo* schema, std::uint64_t time_ns, Sink& sink)
      : options_(options), schema_(schema), time_ns_(time_ns), sink_(sink) {}

  /// Numbers without a key become fields of the open line, others begin lines of their own.
  void begin(const Family& family, const Interval&) override { family_ = &family; }

  void point(const Key& key, const Amount& amount) override {
    if (key.name == "thread") {
      finish_line();
      start_line("_thread", key);
      field("requests");
    } else {
      if (!counting_ || key.of.value != of_ || key.series.data() != series_ || key.series_names.data() != names_) {
        finish_line();
        start_line("", {.of = key.of, .series = key.series, .series_names = key.series_names});
      }
      names_ = key.series_names.data();
      counting_ = true;
      of_ = key.of.value;
      series_ = key.series.data();
      field_of_family();
      if (!key.value.empty()) {
        sink_.put('_');
        put_escaped(sink_, key.value, escape);
      }
      if (amount.decimals != 0) sink_.put("_seconds");
    }
    sink_.put('=');
    if (amount.decimals != 0) return put_decimal(sink_, amount.value, amount.decimals, true);
    integer(amount.value);
  }

  void number(const Key& key, double value) override {
    if (!std::isfinite(value)) return;  // the database has no such numbers
    if (!counting_ || !of_.empty() || series_ != nullptr || names_ != nullptr) {
      finish_line();
      start_line("", {});
    }
    counting_ = true;
    of_ = {};
    series_ = nullptr;
    names_ = nullptr;
    field_of_family();
    // Gauges of one name may have labels of several names.
    for (const std::string_view part : {key.name, key.value}) {
      if (key.name.empty()) break;
      sink_.put('_');
      put_escaped(sink_, part, escape);
    }
    if (family_->unit == "seconds") sink_.put("_seconds");
    sink_.put('=');
    put_double(sink_, value);
  }

  void histogram(const Key& key, const HistogramView& view, const Exemplars&) override {
    finish_line();
    start_line("_phase", {key.name.empty() ? "phase" : key.name, short_name(*view.field, schema_), key.of, key.series,
                          key.series_names});
    const unsigned decimals = decimals_of(view);
    const Buckets buckets = merged(view, options_.histograms);
    field("count=");
    integer(buckets.total());
    field("sum=");
    put_decimal(sink_, view.total, decimals, true);
    if (view.has_extremes()) {
      field("min=");
      put_decimal(sink_, view.smallest, decimals, true);
      field("max=");
      put_decimal(sink_, view.largest, decimals, true);
    }
    buckets.for_each_cumulative([&](const std::uint64_t* upper, std::uint64_t count) {
      comma();
      put_bound(sink_, upper, decimals);
      sink_.put('=');
      integer(count);
    });
    finish_line();
  }

  void end() override {}

  void finish_line() {
    if (!open_) return;
    sink_.put(' ');
    put_integer(sink_, time_ns_);
    sink_.put('\n');
    open_ = counting_ = false;
  }

 private:
  void start_line(std::string_view suffix, const Key& own) {
    if (options_.measurement.empty()) {
      const std::string_view prefix = prefix_of({}, schema_);
      put_name(sink_, prefix.empty() ? SchemaInfo().prefix : prefix);  // a line cannot begin without a name
    } else {
      put_escaped(sink_, options_.measurement, escape_measurement);
    }
    sink_.put(suffix);
    put_tags(own);
    sink_.put(' ');
    open_ = first_field_ = true;
  }

  /// Writes the tags sorted by name, which the database reads fastest. Takes as many passes as there are tags, because
  /// nothing may be allocated.
  void put_tags(const Key& own) {
    for (const Label& label : own.series) tag(label.name, label.value);
    if (!own.of.name.empty()) tag(own.of.name, own.of.value);
    std::string_view before;
    bool own_written = own.name.empty();
    for (;;) {
      const Label* least = nullptr;
      for (std::size_t i = 0; i < options_.tags.size(); ++i) {
        const Label& tag = options_.tags[i];
        if (tag.value.empty() || tag.name == "time" || !written(options_.tags, i, schema_, own, same_tag)) continue;
        if (tag.name > before && (least == nullptr || tag.name < least->name)) least = &tag;
      }
      if (!own_written && (least == nullptr || own.name < least->name)) {
        tag(own.name, own.value);
        own_written = true;
      }
      if (least == nullptr) return;
      tag(least->name, least->value);
      before = least->name;
    }
  }

  /// Leaves out a tag without a value, which would make the line invalid.
  void tag(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    sink_.put(',');
    put_escaped(sink_, name, escape);
    sink_.put('=');
    put_escaped(sink_, value, escape);
  }

  void comma() {
    if (!first_field_) sink_.put(',');
    first_field_ = false;
  }

  void field(std::string_view text) {
    comma();
    sink_.put(text);
  }

  void field_of_family() {
    comma();
    put_escaped(sink_, family_->name, [](char byte) { return byte == '.' ? std::string_view("_") : escape(byte); });
  }

  void integer(std::uint64_t value) {
    put_integer(sink_, std::min<std::uint64_t>(value, std::numeric_limits<std::int64_t>::max()));
    sink_.put('i');
  }

  const InfluxOptions& options_;
  const SchemaInfo* schema_;
  const std::uint64_t time_ns_;
  Sink& sink_;
  const Family* family_ = nullptr;
  bool open_ = false;
  bool counting_ = false;  ///< True if the open line is that of counts.
  bool first_field_ = false;
  std::string_view of_;                      ///< Owner of the counts of the open line.
  const Label* series_ = nullptr;            ///< Labels of the series of these counts.
  const std::string_view* names_ = nullptr;  ///< Names of the labels of all series that these counts may have.
};

}  // namespace

Encoded influx(const Source& source, const InfluxOptions& options, std::span<char> out) noexcept {
  Sink sink(out);
  Influx influx(options, schema_of(source), epoch_ns(stop_time(source)), sink);
  visit(source, prefix_of({}, schema_of(source)), options.histograms.fields, influx);
  influx.finish_line();
  return sink.done();
}

}  // namespace sluice::encode
