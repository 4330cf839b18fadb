// SPDX-License-Identifier: Apache-2.0
// The part of protobuf's wire format that OTLP metrics need. The length of a message precedes its content, so four
// bytes are reserved for it and filled in afterwards; a varint may have leading zeros.
#include <algorithm>
#include <array>
#include <bit>
#include <limits>

#include "encode/exemplars.hpp"
#include "encode/otlp.hpp"
#include "encode/source.hpp"

namespace sluice::inline v0_1::encode {
namespace {

// Numbers of the fields in opentelemetry/proto/{collector/metrics,metrics,resource,common}/v1.
namespace field {
constexpr unsigned kRequestResourceMetrics = 1;
constexpr unsigned kResource = 1, kScopeMetrics = 2;  // ResourceMetrics
constexpr unsigned kResourceAttributes = 1;           // Resource
constexpr unsigned kScope = 1, kMetrics = 2;          // ScopeMetrics
constexpr unsigned kScopeName = 1;                    // InstrumentationScope
constexpr unsigned kName = 1, kDescription = 2, kUnit = 3, kGauge = 5, kSum = 7, kHistogram = 9;  // Metric
constexpr unsigned kDataPoints = 1, kTemporality = 2, kMonotonic = 3;                             // Sum, Histogram
constexpr unsigned kStart = 2, kTime = 3;                                                         // both kinds of point
constexpr unsigned kAsDouble = 4, kAsInt = 6, kNumberAttributes = 7;                              // NumberDataPoint
constexpr unsigned kCount = 4, kTotal = 5, kBucketCounts = 6, kExplicitBounds = 7;                // HistogramDataPoint
constexpr unsigned kExemplars = 8, kHistogramAttributes = 9, kMin = 11, kMax = 12;
constexpr unsigned kExemplarTime = 2, kExemplarDouble = 3, kSpanId = 4, kTraceId = 5;  // Exemplar
constexpr unsigned kKey = 1, kValue = 2;                                               // KeyValue
constexpr unsigned kStringValue = 1, kBoolValue = 2, kIntValue = 3;                    // AnyValue
}  // namespace field

enum Wire : unsigned { kVarint = 0, kFixed64 = 1, kBytes = 2 };

/// Writes fields of messages.
class Writer {
 public:
  explicit Writer(Sink& sink) : sink_(sink) {}

  void varint(unsigned number, std::uint64_t value) {
    tag(number, kVarint);
    raw_varint(value);
  }

  void fixed64(unsigned number, std::uint64_t value) {
    tag(number, kFixed64);
    raw_fixed64(value);
  }

  void real(unsigned number, double value) { fixed64(number, std::bit_cast<std::uint64_t>(value)); }

  void raw_fixed64(std::uint64_t value) {
    for (unsigned i = 0; i < 8; ++i) sink_.put(static_cast<char>(value >> (8 * i) & 0xFFU));
  }

  /// Begins a message, a text or packed numbers. Returns the position for close().
  std::size_t open(unsigned number) {
    tag(number, kBytes);
    const std::size_t at = sink_.size();
    for (unsigned i = 0; i < kLengthBytes; ++i) sink_.put('\0');
    return at;
  }

  void close(std::size_t at) {
    const std::size_t length = sink_.size() - at - kLengthBytes;
    for (unsigned i = 0; i < kLengthBytes; ++i) {
      const unsigned more = i + 1 < kLengthBytes ? 0x80U : 0U;
      sink_.patch(at + i, static_cast<char>((length >> (7 * i) & 0x7FU) | more));
    }
  }

  template <class Content>
  void nested(unsigned number, Content&& content) {
    const std::size_t at = open(number);
    content();
    close(at);
  }

  void bytes(unsigned number, std::span<const std::uint8_t> value) {
    nested(number, [&] {
      for (const std::uint8_t byte : value) sink_.put(static_cast<char>(byte));
    });
  }

  void text(unsigned number, std::string_view value) {
    nested(number, [&] { for_each_character(value, [&](std::string_view character) { sink_.put(character); }); });
  }

 private:
  static constexpr unsigned kLengthBytes = 4;

  void tag(unsigned number, Wire wire) { raw_varint(number << 3U | wire); }

  void raw_varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7U) sink_.put(static_cast<char>((value & 0x7FU) | 0x80U));
    sink_.put(static_cast<char>(value));
  }

  Sink& sink_;
};

/// Writes an attribute's value by its type.
void put_value(Writer& writer, const Label& label) {
  if (const std::optional<std::int64_t> number = integer_of(label)) {
    writer.varint(field::kIntValue, static_cast<std::uint64_t>(*number));
  } else if (const std::optional<bool> boolean = boolean_of(label)) {
    writer.varint(field::kBoolValue, *boolean ? 1 : 0);
  } else {
    writer.text(field::kStringValue, label.value);
  }
}

void put_attribute(Writer& writer, unsigned number, const Label& label) {
  writer.nested(number, [&] {
    writer.text(field::kKey, label.name);
    writer.nested(field::kValue, [&] { put_value(writer, label); });
  });
}

void put_attributes(Writer& writer, unsigned number, const Labels& labels, const SchemaInfo* schema, const Key& key) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (written(labels, i, schema, key, same_attribute)) put_attribute(writer, number, labels[i]);
  }
  for (const Label& label : key.series) put_attribute(writer, number, label);
  if (!key.of.name.empty()) put_attribute(writer, number, key.of);
  if (!key.name.empty()) put_attribute(writer, number, {key.name, key.value});
}

void put_resource(Writer& writer, const Labels& resource) {
  for (std::size_t i = 0; i < resource.size(); ++i) {
    if (written_of_resource(resource, i)) put_attribute(writer, field::kResourceAttributes, resource[i]);
  }
}

class Protobuf final : public Visitor {
 public:
  Protobuf(const OtlpOptions& options, const SchemaInfo* schema, Sink& sink)
      : options_(options), schema_(schema), sink_(sink), writer_(sink) {}

  void begin(const Family& family, const Interval& interval) override {
    family_ = &family;
    interval_ = interval;
    last_ = {};
    metric_at_ = writer_.open(field::kMetrics);
    writer_.nested(field::kName, [&] { put_metric_name(sink_, family, *options_.prefix); });
    writer_.text(field::kDescription, family.help);
    writer_.text(field::kUnit, family.otlp_unit);
    const Data data = data_of(family);
    data_at_ = writer_.open(data == Data::kHistogram ? field::kHistogram
                            : data == Data::kSum     ? field::kSum
                                                     : field::kGauge);
  }

  void point(const Key& key, const Amount& amount) override {
    last_ = key;
    writer_.nested(field::kDataPoints, [&] {
      put_attributes(writer_, field::kNumberAttributes, options_.attributes, schema_, key);
      times();
      if (amount.decimals != 0) return writer_.real(field::kAsDouble, amount.as_double());
      writer_.fixed64(field::kAsInt, std::min<std::uint64_t>(amount.value, std::numeric_limits<std::int64_t>::max()));
    });
  }

  void number(const Key& key, double value) override {
    last_ = key;
    writer_.nested(field::kDataPoints, [&] {
      put_attributes(writer_, field::kNumberAttributes, options_.attributes, schema_, key);
      times();
      writer_.real(field::kAsDouble, value);
    });
  }

  void histogram(const Key& key, const HistogramView& view, const Exemplars& exemplars) override {
    last_ = key;
    const Buckets buckets = merged_for_otlp(view, options_);
    const unsigned decimals = decimals_of(view);
    const auto real = [decimals](std::uint64_t value) { return Amount{value, decimals}.as_double(); };
    writer_.nested(field::kDataPoints, [&] {
      put_attributes(writer_, field::kHistogramAttributes, options_.attributes, schema_, key);
      times();
      writer_.nested(field::kBucketCounts, [&] {
        for (std::size_t i = 0; i <= buckets.size; ++i) writer_.raw_fixed64(buckets.counts[i]);
      });
      writer_.nested(field::kExplicitBounds, [&] {
        for (std::size_t i = 0; i < buckets.size; ++i) {
          writer_.raw_fixed64(std::bit_cast<std::uint64_t>(real(buckets.upper[i])));
        }
      });
      writer_.fixed64(field::kCount, buckets.total());
      writer_.real(field::kTotal, real(view.total));
      const BucketExemplars newest(exemplars, buckets);
      for (std::size_t i = 0; i <= buckets.size; ++i) {
        const Exemplar* const exemplar = newest.of(i);
        if (exemplar == nullptr) continue;
        writer_.nested(field::kExemplars, [&] {
          writer_.fixed64(field::kExemplarTime, time_of(*exemplar));
          writer_.real(field::kExemplarDouble, real(exemplar->value));
          writer_.bytes(field::kSpanId, exemplar->trace.span_id);
          writer_.bytes(field::kTraceId, exemplar->trace.trace_id);
        });
      }
      if (!view.has_extremes()) return;
      writer_.real(field::kMin, real(view.smallest));
      writer_.real(field::kMax, real(view.largest));
    });
  }

  void end() override {
    if (data_of(*family_) != Data::kGauge) {
      writer_.varint(field::kTemporality, static_cast<std::uint64_t>(temporality_of(*family_, last_, options_)));
    }
    if (monotonic(*family_)) writer_.varint(field::kMonotonic, 1);
    writer_.close(data_at_);
    writer_.close(metric_at_);
  }

 private:
  void times() {
    if (interval_.start > 0.0) writer_.fixed64(field::kStart, epoch_ns(interval_.start));
    writer_.fixed64(field::kTime, epoch_ns(interval_.stop));
  }

  const OtlpOptions& options_;
  const SchemaInfo* schema_;
  Sink& sink_;
  Writer writer_;
  const Family* family_ = nullptr;
  Interval interval_{};
  Key last_;
  std::size_t metric_at_ = 0;
  std::size_t data_at_ = 0;
};

}  // namespace

void otlp_protobuf(const Source& source, const OtlpOptions& options, Sink& sink) {
  Writer writer(sink);
  Protobuf metrics(options, schema_of(source), sink);
  writer.nested(field::kRequestResourceMetrics, [&] {
    writer.nested(field::kResource, [&] { put_resource(writer, options.resource); });
    writer.nested(field::kScopeMetrics, [&] {
      writer.nested(field::kScope, [&] { writer.text(field::kScopeName, kScope); });
      visit(source, *options.prefix, options.histograms.fields, metrics);
    });
  });
}

}  // namespace sluice::encode
