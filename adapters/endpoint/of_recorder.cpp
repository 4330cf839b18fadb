// SPDX-License-Identifier: Apache-2.0
// The sources of serve() and of the pushers that read a recorder.
#include <memory>
#include <string>
#include <utility>
#include <vector>

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
  auto body = [source = source_of<Reader>(recorder, std::move(gauges)), service_name,
               encoding = options.encoding]() -> absl::StatusOr<std::string> {
    if (const Status status = source->reader.drain(source->window); !status.ok()) return to_absl(status);
    const ProcessTotals totals = source->recorder.totals();
    const encode::Label resource[] = {{.name = "service.name", .value = service_name}};
    encode::fill(source->text, [&](std::span<char> out) {
      return encode::otlp({.window = &source->window, .totals = &totals, .gauges = source->gauges},
                          {.encoding = encoding, .temporality = encode::Temporality::kDelta, .resource = resource},
                          out);
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

}  // namespace sluice
