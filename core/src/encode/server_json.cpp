// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "encode/catalogue.hpp"
#include "sluice/encode/server.hpp"

namespace sluice::encode {
namespace {

/// The families of one reading as members of an object.
class Members final : public Visitor {
 public:
  explicit Members(Sink& sink) : sink_(sink) {}

  void begin(const Family& family, const Interval&) override {
    sink_.put(",\"");
    put_name(sink_, family.name);
    if (!family.unit.empty()) {
      sink_.put('_');
      sink_.put(family.unit);
    }
    sink_.put("\":");
    keyed_ = false;
  }

  void point(const Key& key, const Amount& amount) override {
    member(key);
    put_decimal(sink_, amount.value, amount.decimals);
  }

  void number(const Key& key, double value) override {
    member(key);
    put_double(sink_, value);
  }

  void histogram(const Key& key, const HistogramView& view) override {
    member(key);
    const unsigned decimals = decimals_of(view);
    const Buckets buckets = merged(view, {.resolution = Resolution::kOctaves});
    sink_.put("{\"buckets\":{");
    bool first = true;
    buckets.for_each_cumulative([&](const std::uint64_t* upper, std::uint64_t count) {
      if (!std::exchange(first, false)) sink_.put(',');
      sink_.put('"');
      put_bound(sink_, upper, decimals);
      sink_.put("\":");
      put_integer(sink_, count);
    });
    sink_.put("},\"count\":");
    put_integer(sink_, buckets.total());
    sink_.put(",\"sum\":");
    put_decimal(sink_, view.total, decimals);
    sink_.put('}');
  }

  void end() override {
    if (keyed_) sink_.put('}');
  }

 private:
  void member(const Key& key) {
    if (key.name.empty()) return;
    sink_.put(std::exchange(keyed_, true) ? ',' : '{');
    put_json_text(sink_, key.value);
    sink_.put(':');
  }

  Sink& sink_;
  bool keyed_ = false;
};

void put_reading(Sink& sink, const GroupReading& reading, bool named) {
  const std::string_view mode =
      reading.counts.schema != nullptr ? reading.counts.schema->modes[reading.mode % kModes] : std::string_view();
  sink.put("{\"mode\":");
  put_json_text(sink, mode);
  if (named) {
    sink.put(",\"process_group\":");
    put_json_text(sink, reading.name);
  }
  Members members(sink);
  visit(std::span(&reading, 1), false, FieldSet::all(), members);
  sink.put('}');
}

}  // namespace

Encoded server_json(const ServerReading& reading, std::span<char> out) noexcept {
  Sink sink(out);
  sink.put("{\"groups\":[");
  bool first = true;
  for (const GroupReading& group : reading.groups) {
    if (!std::exchange(first, false)) sink.put(',');
    put_reading(sink, group, true);
  }
  sink.put("],\"total\":");
  put_reading(sink, reading.total, false);
  sink.put("}\n");
  return sink.done();
}

}  // namespace sluice::encode
