// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "encode/catalogue.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/version.hpp"

namespace sluice::inline v0_1::encode {
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

  void histogram(const Key& key, const HistogramView& view, const Exemplars&) override {
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

/// Puts `,"name":` and a number.
void put_member(Sink& sink, std::string_view name, std::uint64_t value, unsigned decimals = 0) {
  sink.put(",\"");
  sink.put(name);
  sink.put("\":");
  put_decimal(sink, value, decimals);
}

void put_process(Sink& sink, const ProcessReading& process) {
  constexpr unsigned kNs = 9;
  constexpr unsigned kUs = 6;
  sink.put("{\"pid\":");
  put_integer(sink, static_cast<std::uint64_t>(process.pid));
  sink.put(process.listed ? ",\"listed\":true" : ",\"listed\":false");
  if (!process.state.empty()) {
    sink.put(",\"state\":");
    put_json_text(sink, process.state);
  }
  put_member(sink, "age_seconds", process.age_ns, kNs);
  put_member(sink, "requests", process.request_count);
  if (!process.event_loops) put_member(sink, "busy_seconds", process.busy_ns, kNs);
  put_member(sink, "active_requests", process.active_requests);
  put_member(sink, "active_seconds", process.active_ns, kNs);
  put_member(sink, "longest_request_seconds", process.longest_request_ns, kNs);
  if (process.event_loops) {
    put_member(sink, "untracked_requests", process.untracked_requests);
  } else {
    put_member(sink, "threads", process.threads);
    put_member(sink, "threads_limit", process.threads_limit);
  }
  put_member(sink, "cpu_seconds", process.process_cpu_us, kUs);
  put_member(sink, "resident_memory_bytes", process.resident_bytes);
  sink.put('}');
}

void put_processes(Sink& sink, const GroupReading& group) {
  sink.put(",\"process_list\":[");
  bool first = true;
  for (const ProcessReading& process : group.live) {
    if (!std::exchange(first, false)) sink.put(',');
    put_process(sink, process);
  }
  sink.put(']');
}

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
  visit(std::span(&reading, 1), false, FieldSet::all(), members, BySeries::kTogether);
  if (named) put_processes(sink, reading);
  sink.put('}');
}

}  // namespace

Encoded server_json(const ServerReading& reading, std::span<char> out, std::string_view members) noexcept {
  Sink sink(out);
  const Version version = library_version();
  sink.put("{\"version\":\"");
  put_integer(sink, static_cast<std::uint64_t>(version.major_number));
  sink.put('.');
  put_integer(sink, static_cast<std::uint64_t>(version.minor_number));
  sink.put('.');
  put_integer(sink, static_cast<std::uint64_t>(version.patch_number));
  sink.put("\",\"start_time\":");
  put_double(sink, reading.start_time);
  sink.put(",\"groups\":[");
  bool first = true;
  for (const GroupReading& group : reading.groups) {
    if (!std::exchange(first, false)) sink.put(',');
    put_reading(sink, group, true);
  }
  sink.put("],\"total\":");
  put_reading(sink, reading.total, false);
  sink.put(members);
  sink.put("}\n");
  return sink.done();
}

std::string json_text(std::string_view text) {
  std::string json;
  fill(json, [&](std::span<char> out) {
    Sink sink(out);
    put_json_text(sink, text);
    return sink.done();
  });
  return json;
}

}  // namespace sluice::encode
