// SPDX-License-Identifier: Apache-2.0
#include "encode/otlp.hpp"

namespace sluice::inline v0_1::encode {

Encoded otlp(const Source& source, const OtlpOptions& options, std::span<char> out) noexcept {
  Sink sink(out);
  const OtlpOptions effective_options = effective(source, options);
  if (options.encoding == OtlpEncoding::kJson) {
    otlp_json(source, effective_options, sink);
  } else {
    otlp_protobuf(source, effective_options, sink);
  }
  return sink.done();
}

std::string_view content_type(OtlpEncoding encoding) noexcept {
  return encoding == OtlpEncoding::kJson ? "application/json" : "application/x-protobuf";
}

}  // namespace sluice::encode
