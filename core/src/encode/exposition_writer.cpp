// SPDX-License-Identifier: Apache-2.0
#include "encode/exposition_writer.hpp"

#include <cmath>
#include <utility>

#include "encode/exemplars.hpp"

namespace sluice::inline v0_1::encode {
namespace {

std::string_view escape(char byte) noexcept {
  switch (byte) {
    case '\\':
      return "\\\\";
    case '"':
      return "\\\"";
    case '\n':
      return "\\n";
    case '\r':
      return " ";  // neither format can escape it, and some readers take it for the end of a line
    default:
      return {};
  }
}

}  // namespace

void ExpositionWriter::begin(const Family& family, const Interval& interval) {
  resume(family, interval);
  const bool on_family = !open_metrics();  // in the older format the family of a counter has the name of its sample
  comment("# TYPE ", on_family);
  sink_.put(family.kind == Kind::kCounter ? "counter\n" : family.kind == Kind::kGauge ? "gauge\n" : "histogram\n");
  if (open_metrics() && !family.unit.empty()) {
    comment("# UNIT ", on_family);
    sink_.put(family.unit);
    sink_.put('\n');
  }
  comment("# HELP ", on_family);
  // The older format has quotes as they are.
  put_escaped(sink_, family.help,
              [on_family](char byte) { return byte == '"' && on_family ? std::string_view() : escape(byte); });
  sink_.put('\n');
}

void ExpositionWriter::point(const Key& key, const Amount& amount) {
  sample(family_->kind == Kind::kCounter ? "_total" : "", key);
  put_decimal(sink_, amount.value, amount.decimals);
  sink_.put('\n');
  if (family_->kind == Kind::kCounter) created(key);
}

void ExpositionWriter::number(const Key& key, double value) {
  sample("", key);
  if (std::isfinite(value)) {
    put_double(sink_, value);
  } else {
    sink_.put(std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
  }
  sink_.put('\n');
}

void ExpositionWriter::histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) {
  const unsigned decimals = decimals_of(view);
  const Buckets buckets = merged(view, options_.histograms);
  const BucketExemplars newest(open_metrics() ? exemplars : Exemplars(), buckets);
  std::size_t i = 0;
  buckets.for_each_cumulative([&](const std::uint64_t* upper, std::uint64_t count) {
    bucket(key, upper, decimals);
    put_integer(sink_, count);
    if (const Exemplar* const one = newest.of(i++)) exemplar(*one, decimals);
    sink_.put('\n');
  });
  sample("_sum", key);
  put_decimal(sink_, view.total, decimals);
  sink_.put('\n');
  sample("_count", key);
  put_integer(sink_, buckets.total());
  sink_.put('\n');
  created(key);
}

void ExpositionWriter::put_family_name(const Family& family, Sink& to) const {
  if (!family.prometheus.empty()) {
    to.put(family.prometheus);
  } else {
    put_name(to, prefix_);
    if (!prefix_.empty()) to.put('_');
    put_name(to, family.name, prefix_.empty());
  }
  if (family.unit.empty()) return;
  to.put('_');
  to.put(family.unit);
}

void ExpositionWriter::comment(std::string_view what, bool with_total) {
  sink_.put(what);
  name();
  if (with_total && family_->kind == Kind::kCounter) sink_.put("_total");
  sink_.put(' ');
}

void ExpositionWriter::label(std::string_view key, std::string_view value) {
  sink_.put(std::exchange(before_, ','));
  put_name(sink_, label_name(key));
  sink_.put("=\"");
  put_escaped(sink_, value, escape);
  sink_.put('"');
}

void ExpositionWriter::start_sample(std::string_view suffix, const Key& key) {
  name();
  sink_.put(suffix);
  before_ = '{';
  for (std::size_t i = 0; i < options_.labels.size(); ++i) {
    if (written(options_.labels, i, schema_, key, same_label_name))
      label(options_.labels[i].name, options_.labels[i].value);
  }
  for (const Label& own : key.series) label(own.name, own.value);
  if (!key.of.name.empty()) label(key.of.name, key.of.value);
  if (!key.name.empty()) label(key.name, key.value);
}

void ExpositionWriter::end_labels() {
  if (before_ == ',') sink_.put('}');
  sink_.put(' ');
}

void ExpositionWriter::bucket(const Key& key, const std::uint64_t* upper, unsigned decimals) {
  start_sample("_bucket", key);
  sink_.put(std::exchange(before_, ','));
  sink_.put("le=\"");
  put_bound(sink_, upper, decimals);
  sink_.put('"');
  end_labels();
}

/// The labels have 63 characters with their names; the format allows 128.
void ExpositionWriter::exemplar(const Exemplar& exemplar, unsigned decimals) {
  sink_.put(" # {trace_id=\"");
  put_hex(sink_, exemplar.trace.trace_id);
  sink_.put("\",span_id=\"");
  put_hex(sink_, exemplar.trace.span_id);
  sink_.put("\"} ");
  put_decimal(sink_, exemplar.value, decimals);
  sink_.put(' ');
  put_decimal(sink_, time_of(exemplar), decimals_of(Unit::kNanoseconds));
}

void ExpositionWriter::created(const Key& key) {
  if (!open_metrics() || !(interval_.start > 0.0)) return;
  sample("_created", key);
  put_double(sink_, interval_.start);
  sink_.put('\n');
}

}  // namespace sluice::encode
