// SPDX-License-Identifier: Apache-2.0
// The JSON of OTLP: names in lowerCamelCase, enumerations as numbers, integers of 64 bits as strings.
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "encode/exemplars.hpp"
#include "encode/otlp.hpp"
#include "encode/source.hpp"

namespace sluice::inline v0_1::encode {
namespace {

class Json final : public Visitor {
 public:
  Json(const OtlpOptions& options, const SchemaInfo* schema, Sink& sink)
      : options_(options), schema_(schema), sink_(sink) {}

  void begin(const Family& family, const Interval& interval) override {
    family_ = &family;
    interval_ = interval;
    sink_.put(first_metric_ ? "{\"name\":\"" : ",{\"name\":\"");
    first_metric_ = false;
    put_metric_name(sink_, family, *options_.prefix);
    sink_.put("\",\"description\":");
    put_json_text(sink_, family.help);
    sink_.put(",\"unit\":");
    put_json_text(sink_, family.otlp_unit);
    const Data data = data_of(family);
    sink_.put(data == Data::kHistogram ? ",\"histogram\"" : data == Data::kSum ? ",\"sum\"" : ",\"gauge\"");
    sink_.put(":{\"dataPoints\":[");
    first_point_ = true;
    last_ = {};
  }

  void point(const Key& key, const Amount& amount) override {
    start_point(key);
    if (amount.decimals != 0) {
      sink_.put(",\"asDouble\":");
      put_decimal(sink_, amount.value, amount.decimals, true);
    } else {
      sink_.put(",\"asInt\":");
      quoted(std::min<std::uint64_t>(amount.value, std::numeric_limits<std::int64_t>::max()));
    }
    sink_.put('}');
  }

  void number(const Key& key, double value) override {
    if (!std::isfinite(value)) return;  // JSON has no such numbers
    start_point(key);
    sink_.put(",\"asDouble\":");
    put_double(sink_, value);
    sink_.put('}');
  }

  void histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) override {
    const Buckets buckets = merged_for_otlp(view, options_);
    const unsigned decimals = decimals_of(view);
    start_point(key);
    sink_.put(",\"bucketCounts\":[");
    for (std::size_t i = 0; i <= buckets.size; ++i) {
      if (i != 0) sink_.put(',');
      quoted(buckets.counts[i]);
    }
    sink_.put("],\"explicitBounds\":[");
    for (std::size_t i = 0; i < buckets.size; ++i) {
      if (i != 0) sink_.put(',');
      put_decimal(sink_, buckets.upper[i], decimals, true);
    }
    sink_.put("],\"count\":");
    quoted(buckets.total());
    sink_.put(",\"sum\":");
    put_decimal(sink_, view.total, decimals, true);
    if (view.has_extremes()) {
      sink_.put(",\"min\":");
      put_decimal(sink_, view.smallest, decimals, true);
      sink_.put(",\"max\":");
      put_decimal(sink_, view.largest, decimals, true);
    }
    put_exemplars(BucketExemplars(exemplars, buckets), buckets.size, decimals);
    sink_.put('}');
  }

  void end() override {
    sink_.put(']');
    if (data_of(*family_) != Data::kGauge) {
      sink_.put(",\"aggregationTemporality\":");
      put_integer(sink_, static_cast<std::uint64_t>(temporality_of(*family_, last_, options_)));
    }
    if (data_of(*family_) == Data::kSum) {
      sink_.put(monotonic(*family_) ? ",\"isMonotonic\":true" : ",\"isMonotonic\":false");
    }
    sink_.put("}}");
  }

  void resource() {
    const Labels& labels = options_.resource;
    sink_.put('[');
    bool first = true;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (written_of_resource(labels, i)) attribute(labels[i], first);
    }
    sink_.put(']');
  }

 private:
  void attributes(const Key& key) {
    const Labels& labels = options_.attributes;
    sink_.put('[');
    bool first = true;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (written(labels, i, schema_, key, same_attribute)) attribute(labels[i], first);
    }
    for (const Label& label : key.series) attribute(label, first);
    if (!key.of.name.empty()) attribute(key.of, first);
    if (!key.name.empty()) attribute({key.name, key.value}, first);
    sink_.put(']');
  }

  /// Writes an attribute, after a comma unless it is the first.
  void attribute(const Label& label, bool& first) {
    if (!std::exchange(first, false)) sink_.put(',');
    sink_.put("{\"key\":");
    put_json_text(sink_, label.name);
    sink_.put(",\"value\":{");
    put_value(label);
    sink_.put("}}");
  }

  /// Writes an attribute's value by its type. JSON has 64-bit integers as text.
  void put_value(const Label& label) {
    if (const std::optional<std::int64_t> number = integer_of(label)) {
      sink_.put("\"intValue\":\"");
      sink_.put(label.value);
      sink_.put('"');
    } else if (const std::optional<bool> boolean = boolean_of(label)) {
      sink_.put("\"boolValue\":");
      sink_.put(label.value);
    } else {
      sink_.put("\"stringValue\":");
      put_json_text(sink_, label.value);
    }
  }

  /// Writes exemplars, if there are any. JSON has ids of traces and spans in hexadecimal digits.
  void put_exemplars(const BucketExemplars& newest, std::size_t last, unsigned decimals) {
    bool first = true;
    for (std::size_t i = 0; i <= last; ++i) {
      const Exemplar* const exemplar = newest.of(i);
      if (exemplar == nullptr) continue;
      sink_.put(std::exchange(first, false) ? ",\"exemplars\":[{\"timeUnixNano\":" : ",{\"timeUnixNano\":");
      quoted(time_of(*exemplar));
      sink_.put(",\"asDouble\":");
      put_decimal(sink_, exemplar->value, decimals, true);
      sink_.put(",\"spanId\":\"");
      put_hex(sink_, exemplar->trace.span_id);
      sink_.put("\",\"traceId\":\"");
      put_hex(sink_, exemplar->trace.trace_id);
      sink_.put("\"}");
    }
    if (!first) sink_.put(']');
  }

  void start_point(const Key& key) {
    last_ = key;
    sink_.put(std::exchange(first_point_, false) ? "{\"attributes\":" : ",{\"attributes\":");
    attributes(key);
    if (interval_.start > 0.0) {
      sink_.put(",\"startTimeUnixNano\":");
      quoted(epoch_ns(interval_.start));
    }
    sink_.put(",\"timeUnixNano\":");
    quoted(epoch_ns(interval_.stop));
  }

  void quoted(std::uint64_t value) {
    sink_.put('"');
    put_integer(sink_, value);
    sink_.put('"');
  }

  const OtlpOptions& options_;
  const SchemaInfo* schema_;
  Sink& sink_;
  const Family* family_ = nullptr;
  Interval interval_{};
  Key last_;
  bool first_metric_ = true;
  bool first_point_ = true;
};

}  // namespace

void otlp_json(const Source& source, const OtlpOptions& options, Sink& sink) {
  Json json(options, schema_of(source), sink);
  sink.put("{\"resourceMetrics\":[{\"resource\":{\"attributes\":");
  json.resource();
  sink.put("},\"scopeMetrics\":[{\"scope\":{\"name\":\"");
  sink.put(kScope);
  sink.put("\"},\"metrics\":[");
  visit(source, *options.prefix, options.histograms.fields, json);
  sink.put("]}]}]}");
}

}  // namespace sluice::encode
