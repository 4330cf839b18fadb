// SPDX-License-Identifier: Apache-2.0
// Fuzzes OTLP in both encodings: attributes of any bytes are decoded again, and both encodings must agree.
#include "sluice/encode/otlp.hpp"

#include "tests/fuzz/json_parser.hpp"
#include "tests/fuzz/otlp_model.hpp"
#include "tests/fuzz/otlp_protobuf.hpp"
#include "tests/fuzz/samples.hpp"

namespace {

using namespace sluice;
using namespace sluice::encode;
using namespace sluice::fuzz;

/// Parses a 64-bit integer, which JSON has as a string.
std::uint64_t integer(const Json& value) { return std::stoull(value.as_text()); }

Attributes attributes_in(const Json& list) {
  Attributes attributes;
  for (const Json& item : list.list()) {
    add_attribute(attributes, item.at("key").as_text(), item.at("value").at("stringValue").as_text());
  }
  return attributes;
}

OtlpPoint point_in(const Json& json, bool histogram) {
  OtlpPoint point;
  point.attributes = attributes_in(json.at("attributes"));
  if (json.has("startTimeUnixNano")) point.start = integer(json.at("startTimeUnixNano"));
  point.time = integer(json.at("timeUnixNano"));
  if (!histogram) {
    if (json.has("asDouble")) {
      point.real = json.at("asDouble").as_number();
    } else {
      point.integer = integer(json.at("asInt"));
    }
    return point;
  }
  point.count = integer(json.at("count"));
  point.sum = json.at("sum").as_number();
  if (json.has("min")) point.min = json.at("min").as_number();
  if (json.has("max")) point.max = json.at("max").as_number();
  for (const Json& item : json.at("bucketCounts").list()) point.bucket_counts.push_back(integer(item));
  for (const Json& item : json.at("explicitBounds").list()) point.bounds.push_back(item.as_number());
  return point;
}

OtlpMetric metric_in(const Json& json) {
  OtlpMetric metric;
  metric.name = json.at("name").as_text();
  metric.description = json.at("description").as_text();
  metric.unit = json.at("unit").as_text();
  metric.histogram = json.has("histogram");
  metric.gauge = json.has("gauge");
  const Json& data = json.at(metric.histogram ? "histogram" : metric.gauge ? "gauge" : "sum");
  if (!metric.gauge) metric.temporality = static_cast<std::uint64_t>(data.at("aggregationTemporality").as_number());
  metric.monotonic = data.has("isMonotonic") && data.at("isMonotonic").text == "true";
  for (const Json& item : data.at("dataPoints").list()) metric.points.push_back(point_in(item, metric.histogram));
  return metric;
}

Otlp read_json(const std::string& text) {
  const Json json = JsonParser(text).parse();
  const Json& metrics = json.at("resourceMetrics").list().at(0);
  const Json& scope = metrics.at("scopeMetrics").list().at(0);
  Otlp otlp{.resource = attributes_in(metrics.at("resource").at("attributes")),
            .scope = scope.at("scope").at("name").as_text(),
            .metrics = {}};
  for (const Json& item : scope.at("metrics").list()) otlp.metrics.push_back(metric_in(item));
  return otlp;
}

void check(const Otlp& otlp, const Window& window, const Attributes& attributes, const Attributes& resource) {
  require(otlp.resource == resource, "the attributes of the resource come back");
  require(!otlp.metrics.empty(), "metrics are written");
  for (const OtlpMetric& metric : otlp.metrics) {
    require(metric.gauge == metric.name.ends_with("request.longest"), "the maximum is the gauge", metric.name);
    require(metric.gauge || metric.temporality == 1 || metric.temporality == 2, "a temporality is known", metric.name);
    for (const OtlpPoint& point : metric.points) {
      require(point.attributes.size() >= attributes.size() &&
                  std::equal(attributes.begin(), attributes.end(), point.attributes.begin()),
              "the attributes come back", metric.name);
      std::uint64_t count = 0;
      for (const std::uint64_t value : point.bucket_counts) count += value;
      require(point.count == count, "a histogram counts all", metric.name);
      require(!metric.histogram || point.bucket_counts.size() == point.bounds.size() + 1, "buckets", metric.name);
      require(std::is_sorted(point.bounds.begin(), point.bounds.end()), "bounds ascend", metric.name);
    }
  }
  const auto& requests = otlp.metrics[0].points;
  require(requests.size() == 5, "requests come first, by class");
  for (std::size_t i = 0; i < 5; ++i) {
    require(requests[i].integer == responses(window.counts(), i), "a count comes back");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  // Texts are read first, because short inputs have nothing else.
  const RandomLabels attributes(input);
  const RandomLabels resource(input);
  const std::string prefix = input.text(20);
  const Window window = window_of(input);
  OtlpOptions options{.temporality = input.flag() ? Temporality::kDelta : Temporality::kCumulative,
                      .prefix = prefix,
                      .resource = resource.get(),
                      .attributes = attributes.get(),
                      .histograms = histograms_of(input)};
  const auto encode = [&](OtlpEncoding encoding) {
    options.encoding = encoding;
    return encoded(input, [&](std::span<char> out) { return otlp({.window = &window}, options, out); });
  };
  const Otlp json = read_json(encode(OtlpEncoding::kJson));
  const Otlp protobuf = read_protobuf(encode(OtlpEncoding::kProtobuf));
  check(json, window, attributes.expected(with_replacements, with_replacements),
        resource.expected(with_replacements, with_replacements, {}));
  require_same(json, protobuf);
  return 0;
}
