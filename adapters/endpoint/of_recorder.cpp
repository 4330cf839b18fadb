// SPDX-License-Identifier: Apache-2.0
// The sources of serve() and of the pushers that read a recorder or a registry.
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "sluice/absl.hpp"
#include "sluice/cumulative.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/otlp.hpp"
#include "sluice/encode/statsd.hpp"
#include "sluice/push.hpp"
#include "sluice/recorder.hpp"
#include "sluice/serve.hpp"

namespace sluice::inline v0_1 {
namespace {

/// A reader of a recorder, with memory that is used again. Shared, because functions have to be copyable.
template <class Reader>
struct Source {
  Source(RecorderBase& read, std::vector<encode::Gauge> callers)
      : recorder(read), reader(read.add_reader()), gauges(std::move(callers)) {}

  RecorderBase& recorder;
  Reader reader;
  std::vector<encode::Gauge> gauges;
  Window window;
  std::string text;
};

/// The readings of a registry, with the last one.
struct RegistrySource {
  RegistrySource(const Registry& read, std::vector<encode::Gauge> callers)
      : registry(read), gauges(std::move(callers)) {}

  Registry registry;
  std::vector<encode::Gauge> gauges;
  ServerReading last;
  std::string text;
};

/// The attributes of a resource. The name of the service comes first, because that is where receivers look.
class Resource {
 public:
  static absl::StatusOr<Resource> of(const std::string& service_name,
                                     std::vector<std::pair<std::string, std::string>> attributes) {
    attributes.insert(attributes.begin(), {"service.name", service_name});
    std::set<std::string_view> names;
    for (const auto& [name, value] : attributes) {
      if (name.empty() || !names.insert(name).second) {
        return absl::InvalidArgumentError(absl::StrCat("not an attribute of a resource, or given twice: ", name));
      }
    }
    return Resource(std::move(attributes));
  }

  [[nodiscard]] std::vector<encode::Label> labels() const {
    std::vector<encode::Label> labels;
    for (const auto& [name, value] : attributes_) labels.push_back({.name = name, .value = value});
    return labels;
  }

 private:
  explicit Resource(std::vector<std::pair<std::string, std::string>> attributes) : attributes_(std::move(attributes)) {}

  std::vector<std::pair<std::string, std::string>> attributes_;
};

template <class Reader>
std::shared_ptr<Source<Reader>> source_of(RecorderBase& recorder, std::vector<encode::Gauge> gauges) {
  return std::make_shared<Source<Reader>>(recorder, std::move(gauges));
}

}  // namespace

absl::StatusOr<Endpoint> serve(RecorderBase& recorder, ServeOptions options, std::vector<encode::Gauge> gauges) {
  auto render = [source = source_of<CumulativeReader>(recorder, std::move(gauges))](
                    encode::Format format) -> absl::StatusOr<std::string> {
    if (const Status status = source->reader.read(source->window); !status.ok()) return to_absl(status);
    encode::fill(source->text, [&](std::span<char> out) {
      return encode::exposition({.window = &source->window, .gauges = source->gauges}, {.format = format}, out);
    });
    return source->text;
  };
  return serve(Render(std::move(render)), std::move(options));
}

absl::StatusOr<Pusher> push_otlp(RecorderBase& recorder, const std::string& service_name, OtlpPushOptions options,
                                 std::vector<encode::Gauge> gauges) {
  absl::StatusOr<Resource> resource = Resource::of(service_name, options.resource);
  if (!resource.ok()) return resource.status();
  auto body = [source = source_of<Reader>(recorder, std::move(gauges)), resource = *std::move(resource),
               encoding = options.encoding]() -> absl::StatusOr<std::string> {
    if (const Status status = source->reader.drain(source->window); !status.ok()) return to_absl(status);
    const ProcessTotals totals = source->recorder.totals();
    const std::vector<encode::Label> attributes = resource.labels();
    encode::fill(source->text, [&](std::span<char> out) {
      return encode::otlp({.window = &source->window, .totals = &totals, .gauges = source->gauges},
                          {.encoding = encoding, .temporality = encode::Temporality::kDelta, .resource = attributes},
                          out);
    });
    return source->text;
  };
  return push_otlp(OtlpSource(std::move(body)), std::move(options));
}

absl::StatusOr<Pusher> push_otlp(const Registry& registry, const std::string& service_name, OtlpPushOptions options,
                                 std::vector<encode::Gauge> gauges) {
  absl::StatusOr<Resource> resource = Resource::of(service_name, options.resource);
  if (!resource.ok()) return resource.status();
  if (const absl::Status open = registry.read().status(); absl::IsFailedPrecondition(open)) return open;
  auto body = [source = std::make_shared<RegistrySource>(registry, std::move(gauges)), resource = *std::move(resource),
               encoding = options.encoding]() -> absl::StatusOr<std::string> {
    const absl::StatusOr<ServerReading> reading = source->registry.read();
    if (!reading.ok()) return reading.status();
    const std::vector<encode::Label> attributes = resource.labels();
    encode::fill(source->text, [&](std::span<char> out) {
      return encode::otlp(
          {.groups = &*reading, .gauges = source->gauges},
          {.encoding = encoding, .temporality = encode::Temporality::kCumulative, .resource = attributes}, out);
    });
    return source->text;
  };
  return push_otlp(OtlpSource(std::move(body)), std::move(options));
}

absl::StatusOr<Pusher> push_statsd(RecorderBase& recorder, encode::StatsdDialect dialect,
                                   const StatsdPushOptions& options, std::vector<encode::Gauge> gauges) {
  auto packets = [source = source_of<Reader>(recorder, std::move(gauges)),
                  dialect](absl::FunctionRef<void(std::string_view)> send) -> absl::Status {
    if (const Status status = source->reader.drain(source->window); !status.ok()) return to_absl(status);
    source->text.resize(encode::kStatsdPacketBytes);
    static_cast<void>(encode::statsd({.window = &source->window, .gauges = source->gauges}, {.dialect = dialect},
                                     source->text, send));
    return absl::OkStatus();
  };
  return push_statsd(StatsdSource(std::move(packets)), options);
}

/// The last reading is replaced only once the packets of the difference are made: an exception loses nothing.
absl::StatusOr<Pusher> push_statsd(const Registry& registry, encode::StatsdDialect dialect,
                                   const StatsdPushOptions& options, std::vector<encode::Gauge> gauges) {
  auto source = std::make_shared<RegistrySource>(registry, std::move(gauges));
  absl::StatusOr<ServerReading> first = registry.read();
  if (!first.ok()) return first.status();
  source->last = *std::move(first);
  auto packets = [source = std::move(source), dialect](absl::FunctionRef<void(std::string_view)> send) -> absl::Status {
    absl::StatusOr<ServerReading> reading = source->registry.read();
    if (!reading.ok()) return reading.status();
    const ServerReading later = reading->since(source->last);
    source->text.resize(encode::kStatsdPacketBytes);
    static_cast<void>(
        encode::statsd({.groups = &later, .gauges = source->gauges}, {.dialect = dialect}, source->text, send));
    source->last = *std::move(reading);
    return absl::OkStatus();
  };
  return push_statsd(StatsdSource(std::move(packets)), options);
}

}  // namespace sluice
