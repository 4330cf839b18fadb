// SPDX-License-Identifier: Apache-2.0
// The series of a window as text, for tests.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "sluice/series.hpp"
#include "sluice/window.hpp"

namespace sluice::test {

/// Returns the labels of a series as text.
inline std::string text_of(Labels labels) {
  std::string text;
  for (const Label& label : labels) text.append(label.name).append("=").append(label.value).append(";");
  return text;
}

/// Returns numbers of requests by the labels of their series.
inline std::map<std::string, std::uint64_t> by_labels(const SeriesCounts& of) {
  std::map<std::string, std::uint64_t> counts;
  for (const SeriesView& series : of) counts[text_of(series.labels)] += series.request_count;
  return counts;
}

/// Returns the requests of a window by the labels of their series.
inline std::map<std::string, std::uint64_t> by_labels(const Window& window) { return by_labels(window.series); }

}  // namespace sluice::test
