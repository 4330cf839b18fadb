// SPDX-License-Identifier: Apache-2.0
#include "sluice/encode/exposition.hpp"

#include "encode/catalogue.hpp"
#include "encode/exposition_writer.hpp"

namespace sluice::encode {

Encoded exposition(const Source& source, const ExpositionOptions& options, std::span<char> out) noexcept {
  Sink sink(out);
  ExpositionWriter writer(options, schema_of(source), sink);
  visit(source, options.histograms.fields, writer);
  if (options.format == Format::kOpenMetrics) sink.put("# EOF\n");
  return sink.done();
}

std::string_view content_type(Format format) noexcept {
  return format == Format::kOpenMetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                        : "text/plain; version=0.0.4; charset=utf-8";
}

}  // namespace sluice::encode
