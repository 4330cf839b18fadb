// SPDX-License-Identifier: Apache-2.0
#include "encode/exposition_writer.hpp"
#include "sluice/encode/server.hpp"

namespace sluice::inline v0_1::encode {

Encoded server_exposition(const ServerReading& reading, Format format, std::span<char> out) noexcept {
  Sink sink(out);
  const Histograms histograms{.resolution = Resolution::kOctaves};
  ExpositionOptions options{.format = format, .prefix = "sluice", .histograms = histograms};
  const SchemaInfo* const schema = reading.total.counts.schema;
  ExpositionWriter by_group(options, schema, sink);
  visit(reading.groups, true, FieldSet::all(), by_group);
  options.prefix = "sluice_server";
  ExpositionWriter in_total(options, schema, sink);
  visit(std::span(&reading.total, 1), false, FieldSet::all(), in_total);
  if (format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

}  // namespace sluice::encode
