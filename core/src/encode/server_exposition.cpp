// SPDX-License-Identifier: Apache-2.0
#include "encode/exposition_writer.hpp"
#include "encode/server_catalogue.hpp"
#include "sluice/encode/server.hpp"

namespace sluice::encode {

Encoded server_exposition(const ServerReading& reading, Format format, std::span<char> out) noexcept {
  Sink sink(out);
  const Histograms histograms{.resolution = Resolution::kOctaves};
  ExpositionOptions options{.format = format, .prefix = "sluice", .histograms = histograms};
  ExpositionWriter by_group(options, sink);
  visit(reading.groups, true, by_group);
  options.prefix = "sluice_server";
  ExpositionWriter in_total(options, sink);
  visit(std::span(&reading.total, 1), false, in_total);
  if (format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

}  // namespace sluice::encode
