// OTLP: the body of a `POST /v1/metrics`, as JSON or as protobuf (an ExportMetricsServiceRequest). Names are those of
// OpenTelemetry's semantic conventions where they have one: `http.server.request.duration`, in seconds.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::encode {

/// Whether the window is one among many that meet, or the sum from a fixed beginning. Lifetime totals are always the
/// latter, and so is the number of requests in flight.
enum class Temporality : std::uint8_t { kDelta = 1, kCumulative = 2 };

enum class OtlpEncoding : std::uint8_t { kJson, kProtobuf };

struct OtlpOptions {
  OtlpEncoding encoding = OtlpEncoding::kProtobuf;
  Temporality temporality = Temporality::kDelta;  ///< As it comes from Reader::drain; kCumulative: CumulativeReader.
  std::string_view prefix = "http.server";
  Labels resource = {};    ///< At least `service.name`.
  Labels attributes = {};  ///< On every point; the conventions want `http.request.method` and `url.scheme`.
  Histograms histograms = {};
};

/// Any thread. Allocates nothing.
Encoded otlp(const Source& source, const OtlpOptions& options, std::span<char> out) noexcept;

[[nodiscard]] std::string_view content_type(OtlpEncoding encoding) noexcept;

}  // namespace sluice::encode
