// SPDX-License-Identifier: Apache-2.0
// The text that Prometheus and compatible systems scrape: OpenMetrics 1.0.0, and the older text format 0.0.4.
//
// Both formats count from a beginning on, so the window should be a sum from one fixed beginning, as CumulativeReader
// makes it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::inline v0_1::encode {

/// \addtogroup encode_api
/// @{

/// A text format.
enum class Format : std::uint8_t {
  kPrometheus,   ///< Prometheus text format 0.0.4.
  kOpenMetrics,  ///< OpenMetrics 1.0.0.
};

/// Settings of exposition().
struct ExpositionOptions {
  Format format = Format::kPrometheus;       ///< Format of the text.
  std::optional<std::string_view> prefix{};  ///< Prefix of all names but those of the process; none: the schema's.
  Labels labels = {};                        ///< Labels of every sample.
  Histograms histograms = {};                ///< How histograms are written.
};

/// Writes the text. Any thread; allocates nothing.
Encoded exposition(const Source& source, const ExpositionOptions& options, std::span<char> out) noexcept;

/// A part of a text, with names and labels of its own.
struct Part {
  Source source;                             ///< Counts and gauges.
  std::optional<std::string_view> prefix{};  ///< As in ExpositionOptions.
  Labels labels = {};                        ///< Labels of every sample of the part.
  Histograms histograms = {};                ///< How histograms are written.
};

/// Writes one text of any number of parts: recorders of the same or of other schemas, registries, gauges. A family that
/// several parts have is written once, with the samples of all; labels tell them apart. CPU time and memory of the
/// process are those of the first part that has them. A family whose kind differs
/// from that of an earlier part with the same name is left out, and so is one of which a sample would have the name of
/// another family or of its samples. Takes time in proportion to the text. The function of a
/// gauge may be called twice. Any thread. \throws std::bad_alloc
Encoded exposition(std::span<const Part> parts, Format format, std::span<char> out);

/// Returns the format that an Accept header asks for, or the older one if it has no preference. Any bytes are accepted.
[[nodiscard]] Format negotiate(std::string_view accept) noexcept;

/// Returns the Content-Type of a response in that format.
[[nodiscard]] std::string_view content_type(Format format) noexcept;

/// @}

}  // namespace sluice::encode
