// SPDX-License-Identifier: Apache-2.0
// A decoder of OTLP metrics in protobuf that rejects every field that the encoder never writes.
#pragma once

#include <bit>
#include <string_view>

#include "tests/fuzz/otlp_model.hpp"
#include "tests/fuzz/utf8.hpp"

namespace sluice::fuzz {

/// One message. each() visits its fields in their order.
class Message {
 public:
  struct Field {
    std::uint64_t number;
    std::uint64_t wire;
    std::uint64_t value;     ///< Value of a varint or a fixed64.
    std::string_view bytes;  ///< Content of a field with a length.
  };

  explicit Message(std::string_view bytes) : rest_(bytes) {}

  template <class Visit>
  void each(Visit&& visit) {
    while (!rest_.empty()) {
      const std::uint64_t tag = varint();
      Field field{.number = tag >> 3U, .wire = tag & 7U, .value = 0, .bytes = {}};
      if (field.wire == 0) {
        field.value = varint();
      } else if (field.wire == 1) {
        field.value = fixed64();
      } else {
        require(field.wire == 2, "a field is a varint, of 64 bits, or has a length");
        field.bytes = take(varint());
      }
      visit(field);
    }
  }

  std::uint64_t fixed64() {
    const std::string_view bytes = take(8);
    std::uint64_t value = 0;
    for (std::size_t i = 8; i-- > 0;) value = value << 8U | static_cast<unsigned char>(bytes[i]);
    return value;
  }

  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view take(std::uint64_t size) {
    require(size <= rest_.size(), "a message is whole");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    require(false, "a varint ends");
    return 0;
  }

  std::string_view rest_;
};

inline std::string protobuf_text(const Message::Field& field) {
  require(field.wire == 2 && is_utf8(field.bytes), "a text is UTF-8", field.bytes);
  return std::string(field.bytes);
}

inline double protobuf_real(const Message::Field& field) {
  require(field.wire == 1, "a double has 64 bits");
  return std::bit_cast<double>(field.value);
}

inline void read_attribute(std::string_view bytes, Attributes& attributes) {
  std::string name;
  std::string value;
  Message(bytes).each([&](const Message::Field& field) {
    if (field.number == 1) {
      name = protobuf_text(field);
    } else {
      require(field.number == 2, "an attribute has a name and a value");
      Message(field.bytes).each([&](const Message::Field& inner) {
        require(inner.number == 1, "a value is a text");
        value = protobuf_text(inner);
      });
    }
  });
  add_attribute(attributes, name, value);
}

inline OtlpPoint read_point(std::string_view bytes, bool histogram) {
  OtlpPoint point;
  Message(bytes).each([&](const Message::Field& field) {
    if (field.number == (histogram ? 9U : 7U)) return read_attribute(field.bytes, point.attributes);
    if (field.number == 2) return void(point.start = field.value);
    if (field.number == 3) return void(point.time = field.value);
    if (!histogram) {
      if (field.number == 4) return void(point.real = protobuf_real(field));
      require(field.number == 6 && field.wire == 1, "a number is a double or an integer");
      return void(point.integer = field.value);
    }
    Message packed(field.bytes);
    switch (field.number) {
      case 4:
        return void(point.count = field.value);
      case 5:
        return void(point.sum = protobuf_real(field));
      case 6:
        while (!packed.empty()) point.bucket_counts.push_back(packed.fixed64());
        return;
      case 7:
        while (!packed.empty()) point.bounds.push_back(std::bit_cast<double>(packed.fixed64()));
        return;
      case 11:
        return void(point.min = protobuf_real(field));
      default:
        require(field.number == 12, "a field of a histogram is known");
        point.max = protobuf_real(field);
    }
  });
  return point;
}

inline OtlpMetric read_metric(std::string_view bytes) {
  OtlpMetric metric;
  Message(bytes).each([&](const Message::Field& field) {
    if (field.number == 1) return void(metric.name = protobuf_text(field));
    if (field.number == 2) return void(metric.description = protobuf_text(field));
    if (field.number == 3) return void(metric.unit = protobuf_text(field));
    require(field.number == 5 || field.number == 7 || field.number == 9, "a metric is a gauge, a sum or a histogram");
    metric.gauge = field.number == 5;
    metric.histogram = field.number == 9;
    Message(field.bytes).each([&](const Message::Field& inner) {
      if (inner.number == 1) return metric.points.push_back(read_point(inner.bytes, metric.histogram));
      require(!metric.gauge, "a gauge has points alone");
      if (inner.number == 2) return void(metric.temporality = inner.value);
      require(inner.number == 3 && !metric.histogram, "a field of a sum is known");
      metric.monotonic = inner.value != 0;
    });
  });
  return metric;
}

inline Otlp read_protobuf(std::string_view bytes) {
  Otlp otlp;
  Message(bytes).each([&](const Message::Field& request) {
    require(request.number == 1, "a request has metrics of resources");
    Message(request.bytes).each([&](const Message::Field& part) {
      require(part.number == 1 || part.number == 2, "there are a resource and a scope");
      Message(part.bytes).each([&](const Message::Field& inner) {
        if (part.number == 1) return read_attribute(inner.bytes, otlp.resource);
        if (inner.number == 2) return otlp.metrics.push_back(read_metric(inner.bytes));
        Message(inner.bytes).each([&](const Message::Field& scope) { otlp.scope = protobuf_text(scope); });
      });
    });
  });
  return otlp;
}

}  // namespace sluice::fuzz
