// SPDX-License-Identifier: Apache-2.0
// OTLP: the body of a `POST /v1/metrics`, as JSON or as protobuf (an ExportMetricsServiceRequest). Names are those of
// the schema, which may follow OpenTelemetry's semantic conventions; durations are in seconds.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::inline v0_1::encode {

/// \addtogroup encode_api
/// @{

/// The meaning of the window. Lifetime totals and the number of requests in flight are always written as cumulative,
/// maxima and the caller's gauges as gauges, which have no temporality.
enum class Temporality : std::uint8_t {
  kDelta = 1,       ///< One of many adjacent windows, as Reader::drain() returns it.
  kCumulative = 2,  ///< A sum from a fixed beginning, as CumulativeReader makes it.
};

/// An encoding of OTLP.
enum class OtlpEncoding : std::uint8_t {
  kJson,      ///< application/json
  kProtobuf,  ///< application/x-protobuf
};

/// Settings of otlp().
struct OtlpOptions {
  OtlpEncoding encoding = OtlpEncoding::kProtobuf;  ///< Encoding of the body.
  Temporality temporality = Temporality::kDelta;    ///< Meaning of the window.
  std::optional<std::string_view> prefix{};  ///< Prefix of all names but those of the process; none: the schema's.
  Labels resource = {};                      ///< Attributes of the resource; at least `service.name` should be given.
  Labels attributes = {};                    ///< Attributes of every point.
  Histograms histograms = {};                ///< How histograms are written.
};

/// Writes the body. Any thread; allocates nothing.
Encoded otlp(const Source& source, const OtlpOptions& options, std::span<char> out) noexcept;

/// Returns the Content-Type of a request in that encoding.
[[nodiscard]] std::string_view content_type(OtlpEncoding encoding) noexcept;

/// @}

}  // namespace sluice::encode
