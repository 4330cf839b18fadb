// SPDX-License-Identifier: Apache-2.0
#include "sluice/encode/statsd.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "encode/sink.hpp"
#include "encode/source.hpp"

namespace sluice::inline v0_1::encode {
namespace {

/// Returns the replacement of a character in tags and names: an underscore for separators and control characters.
std::string_view escape(char byte) noexcept {
  const bool separates = byte == ',' || byte == '|' || byte == '#' || byte == ':' || byte == ';' || byte == '@';
  return separates || static_cast<unsigned char>(byte) < ' ' ? "_" : std::string_view();
}

bool same_tag(std::string_view a, std::string_view b) noexcept { return same_escaped(a, b, escape); }

/// The values that represent the requests of a histogram, each with the number of requests that it represents.
struct Samples {
  static constexpr std::size_t kMost = kBoundsMost + 3;

  struct Sample {
    std::uint64_t value;
    std::uint64_t count;
  };

  void add(std::uint64_t value, std::uint64_t count) noexcept {
    if (count != 0) values[size++] = {value, count};
  }

  std::size_t size = 0;
  std::array<Sample, kMost> values{};
};

Samples samples_of(const HistogramView& histogram) noexcept {
  const BucketsInfo& layout = *histogram.field->buckets;
  std::array<std::uint64_t, kBoundsMost + 1> left{};
  std::copy(histogram.buckets.begin(), histogram.buckets.end(), left.begin());
  Samples samples;
  std::uint64_t least = 0;
  std::uint64_t most = std::max(histogram.total, layout.bounds.back());
  if (histogram.has_extremes()) {
    least = histogram.smallest;
    most = histogram.largest;
    for (const std::uint64_t value : {least, most}) {
      std::uint64_t& in_bucket = left[layout.bucket_of(value)];
      if (in_bucket == 0) continue;  // there was only one request
      samples.add(value, 1);
      --in_bucket;
    }
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    const std::uint64_t lower = layout.lower_bound(i);
    const bool last = i + 1 == layout.size();
    const std::uint64_t middle = last ? lower : lower + (layout.lower_bound(i + 1) - lower) / 2;
    samples.add(std::clamp(middle, least, most), left[i]);
  }
  return samples;
}

class Statsd final : public Visitor {
 public:
  Statsd(const StatsdOptions& options, const SchemaInfo* schema, std::span<char> packet, detail::PacketSender send)
      : options_(options),
        schema_(schema),
        prefix_(prefix_of(options.prefix, schema)),
        packet_(packet.first(std::min(packet.size(), kStatsdPacketBytes))),
        sink_(packet_),
        send_(send) {}

  void begin(const Family& family, const Interval&) override {
    family_ = &family;
    is_callers_ = false;
  }

  void point(const Key& key, const Amount& amount) override {
    if (key.name == "thread" || family_->otlp == "process.cpu.time")
      return;  // lifetime totals are not counts of a window
    if (family_->kind == Kind::kCounter && amount.value == 0) return;
    line(key, [&] {
      sink_.put(':');
      // Durations are in milliseconds, as those of timers are.
      put_decimal(sink_, amount.value, amount.decimals >= 3 ? amount.decimals - 3 : 0);
      sink_.put(family_->kind == Kind::kGauge ? "|g" : "|c");
    });
  }

  void number(const Key& key, double value) override {
    if (!std::isfinite(value)) return;  // the protocol has no such numbers
    is_callers_ = true;
    if (value == 0) value = 0;                             // not -0, which would be a difference of 0
    if (value < 0) line(key, [&] { sink_.put(":0|g"); });  // a sign would make it a difference to the value before
    line(key, [&] {
      sink_.put(':');
      put_double(sink_, value);
      sink_.put("|g");
    });
  }

  void histogram(const Key& key, const HistogramView& view, const Exemplars&) override {
    if (view.buckets.empty()) return;
    const Samples samples = samples_of(view);
    // Durations are in milliseconds, as those of timers are.
    decimals_ = std::max(decimals_of(view), 3U) - 3;
    std::uint64_t rates = 0;
    for (std::size_t i = 0; i < samples.size; ++i) rates |= samples.values[i].count;
    for (unsigned bit = 0; bit < 64; ++bit) {
      if ((rates >> bit & 1U) == 0) continue;
      for (std::size_t i = 0; i < samples.size;) i = sample_line(key, samples, i, bit);
    }
  }

  void end() override {}

  void flush() {
    if (packet_size_ == 0) return;
    send_.call(send_.called, {packet_.data(), packet_size_});
    ++sent_.packets;
    packet_size_ = 0;
    sink_.shrink(0);
  }

  [[nodiscard]] const StatsdSent& sent() const { return sent_; }

 private:
  /// Writes a line of samples of one rate, from the sample at `from` on. DogStatsD accepts several samples a line.
  /// Returns the sample with which the next line begins.
  std::size_t sample_line(const Key& key, const Samples& samples, std::size_t from, unsigned bit) {
    const auto has = [&](std::size_t i) { return (samples.values[i].count >> bit & 1U) != 0; };
    while (from < samples.size && !has(from)) ++from;
    if (from == samples.size) return from;
    const bool several = options_.dialect == StatsdDialect::kDogStatsd;
    constexpr std::size_t kValues = 16;
    std::size_t to = from;
    line(key, [&] {
      std::size_t values = 0;
      for (to = from; to < samples.size && values < (several ? kValues : 1); ++to) {
        if (!has(to)) continue;
        ++values;
        sink_.put(':');
        put_decimal(sink_, samples.values[to].value, decimals_);
      }
      sink_.put(several ? "|d" : "|ms");
      if (bit == 0) return;
      sink_.put("|@");
      put_double(sink_, std::ldexp(1.0, -static_cast<int>(bit)));
    });
    return to;
  }

  /// Writes a line, or begins the next packet with it if the open packet has no room.
  template <class Rest>
  void line(const Key& key, Rest&& rest) {
    write_line(key, rest);
    if (!sink_.fits() && packet_size_ != 0) {
      flush();
      write_line(key, rest);
    }
    if (sink_.fits()) {
      packet_size_ = sink_.size();
    } else {
      ++sent_.lines_left_out;
      sink_.shrink(packet_size_);
    }
  }

  template <class Rest>
  void write_line(const Key& key, Rest& rest) {
    start_line(key);
    rest();
    if (options_.dialect == StatsdDialect::kDogStatsd) put_tags(key);
  }

  void start_line(const Key& key) {
    if (packet_size_ != 0) sink_.put('\n');
    put_part(prefix_);
    if (!prefix_.empty()) sink_.put('.');
    put_part(family_->name);
    if (family_->kind == Kind::kCounter && family_->unit == "seconds") sink_.put("_ms");
    if (options_.dialect == StatsdDialect::kDogStatsd) return;
    for (const Label& own : key.series) {
      sink_.put('.');
      // As in Recorder::series(), where names that this writes alike are the same.
      put_name(sink_, label_name(own.name));
      sink_.put('.');
      put_distinct(own.value);
    }
    if (!key.of.name.empty()) {
      sink_.put('.');
      put_distinct(key.of.value);
    }
    if (key.name.empty()) return;
    // Points of a schema have labels of one name; gauges of the caller need not.
    if (is_callers_) {
      sink_.put('.');
      put_distinct(key.name);
    }
    sink_.put('.');
    put_distinct(key.value);
  }

  /// Puts a text so that different ones differ: letters, digits and underscores as they are, each other byte as `-` and
  /// its two hexadecimal digits. Receivers change none of these characters, and none separates parts of a name.
  void put_distinct(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    for (const char byte : text) {
      if (name_character(byte, false) == byte) {
        sink_.put(byte);
        continue;
      }
      sink_.put('-');
      sink_.put(kDigits[static_cast<unsigned char>(byte) >> 4U]);
      sink_.put(kDigits[static_cast<unsigned char>(byte) & 0xFU]);
    }
  }

  /// Puts a part of the name of a metric.
  void put_part(std::string_view text) {
    put_escaped(sink_, text,
                [](char byte) { return byte == ' ' || byte == '/' ? std::string_view("_") : escape(byte); });
  }

  void put_tags(const Key& key) {
    char before = '#';
    const auto tag = [&](std::string_view name, std::string_view value) {
      if (before == '#') sink_.put('|');
      sink_.put(std::exchange(before, ','));
      put_escaped(sink_, name, escape);
      sink_.put(':');
      put_escaped(sink_, value, escape);
    };
    for (std::size_t i = 0; i < options_.tags.size(); ++i) {
      if (written(options_.tags, i, schema_, key, same_tag)) tag(options_.tags[i].name, options_.tags[i].value);
    }
    for (const Label& own : key.series) tag(own.name, own.value);
    if (!key.of.name.empty()) tag(key.of.name, key.of.value);
    if (!key.name.empty()) tag(key.name, key.value);
  }

  const StatsdOptions& options_;
  const SchemaInfo* schema_;
  std::string_view prefix_;
  std::span<char> packet_;
  Sink sink_;
  detail::PacketSender send_;
  const Family* family_ = nullptr;
  bool is_callers_ = false;      ///< True if the point is of a gauge of the caller's own.
  unsigned decimals_ = 0;        ///< Decimals of the histogram.
  std::size_t packet_size_ = 0;  ///< Size up to the end of the last whole line.
  StatsdSent sent_;
};

}  // namespace

StatsdSent detail::statsd(const Source& source, const StatsdOptions& options, std::span<char> packet,
                          PacketSender send) {
  Statsd statsd(options, schema_of(source), packet, send);
  visit(source, prefix_of(options.prefix, schema_of(source)), options.fields, statsd);
  statsd.flush();
  return statsd.sent();
}

}  // namespace sluice::encode
