// SPDX-License-Identifier: Apache-2.0
// Processes that count by series, and what holds in each reading of them.
#pragma once

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "registry_rig.hpp"
#include "series_text.hpp"
#include "sluice/series_set.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

using Recorded = sluice::Recorder<Completion>;
using ByLabels = std::map<std::string, std::uint64_t>;

inline constexpr std::size_t kRegistryBytes = std::size_t{64} << 20U;
inline constexpr const char* kOverflow = "otel.metric.overflow=true;";

inline RecorderOptions options_in(const RegistryRig& rig, std::span<std::byte> memory, std::size_t threads = 2) {
  return {.threads = threads, .series_set = rig.series.get(), .mode = mode_number(Mode::kDaemon), .memory = memory};
}

/// Returns labels as text that is not empty.
inline std::string in_braces(Labels labels) {
  std::string text("{");
  return text.append(text_of(labels)).append("}");
}

/// Returns a description of what does not add up in the counts of a group; empty if all does. A process that is not
/// `honest` can have classes that say more than its requests.
inline std::string broken_series(const GroupCounts& counts, bool honest = true) {
  std::uint64_t requests = 0;
  std::vector<std::uint64_t> sums(counts.sums.size());
  for (const SeriesView& series : counts.series) {
    requests = saturated_sum(requests, series.request_count);
    std::uint64_t classes = 0;
    for (const std::uint64_t value : wsgi::status_classes(series.counts)) classes = saturated_sum(classes, value);
    if (honest && classes != series.request_count) return in_braces(series.labels) + ": the classes";
    std::size_t word = 0;
    for (const FieldInfo& field : counts.schema->fields) {
      if (field.kind != FieldKind::kClasses) continue;
      for (const std::uint64_t value : series.counts.classes(field)) {
        sums[field.sum + word] = saturated_sum(sums[field.sum + word], value);
        ++word;
      }
    }
    const std::uint64_t bytes = series.get<&Completion::output_bytes>();
    std::uint64_t& sum = sums[counts.schema->fields[detail::field_of<&Completion::output_bytes>()].sum];
    sum = saturated_sum(sum, bytes);
  }
  if (requests != counts.request_count) return "the number of requests";
  for (std::size_t i = 0; i < sums.size(); ++i) {
    if (sums[i] != 0 && sums[i] != counts.sums[i]) return "word " + std::to_string(i);
  }
  return {};
}

/// Returns the labels of a series of which some count is lower than before; empty if there is none.
inline std::string lower_series(const SeriesCounts& before, const SeriesCounts& after) {
  for (const SeriesView& old : before) {
    const std::optional<SeriesView> now = after.find(old.series);
    if (!now || now->request_count < old.request_count ||
        now->get<&Completion::output_bytes>() < old.get<&Completion::output_bytes>()) {
      return in_braces(old.labels);
    }
    const HistogramView was = phase_of(old.counts, Phase::kRequest);
    const HistogramView is = phase_of(now->counts, Phase::kRequest);
    for (std::size_t i = 0; i < was.buckets.size(); ++i) {
      if (is.buckets[i] < was.buckets[i]) return in_braces(old.labels);
    }
  }
  return {};
}

inline void check(const ServerReading& reading, bool honest = true) {
  CHECK(broken_series(reading.total.counts, honest) == "");
  for (const GroupReading& group : reading.groups) CHECK(broken_series(group.counts, honest) == "");
}

/// Waits to be killed.
[[noreturn]] inline void rest() {
  for (;;) ::pause();
}

/// Returns the labels of the series that a name is for.
inline std::array<Label, 1> route(const std::string& name) { return {{{"route", name}}}; }

}  // namespace sluice::test
