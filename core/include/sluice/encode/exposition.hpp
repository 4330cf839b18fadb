// The text that Prometheus and its kin scrape: OpenMetrics 1.0.0, and the older text format 0.0.4.
//
// Both count from a beginning on, so the window that is given should be a sum from one fixed beginning: that of a
// CumulativeReader.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::encode {

enum class Format : std::uint8_t { kPrometheus, kOpenMetrics };

struct ExpositionOptions {
  Format format = Format::kPrometheus;
  /// Before every name that is not a process's own: `http_server_requests_total`.
  std::string_view prefix = "http_server";
  Labels labels = {};  ///< On every sample.
  Histograms histograms = {};
};

/// Any thread. Allocates nothing.
Encoded exposition(const Source& source, const ExpositionOptions& options, std::span<char> out) noexcept;

/// The format that an Accept header asks for; the older one where it has no preference. Any bytes.
[[nodiscard]] Format negotiate(std::string_view accept) noexcept;

/// The Content-Type of a response in that format.
[[nodiscard]] std::string_view content_type(Format format) noexcept;

}  // namespace sluice::encode
