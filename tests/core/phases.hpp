// SPDX-License-Identifier: Apache-2.0
// The names of the eight phases for tests of the core, which record them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "adapters/wsgi/schema/recorder.hpp"
#include "adapters/wsgi/schema/window.hpp"
#include "sluice/encode/encode.hpp"

namespace sluice::test {

using wsgi::BucketLayout;
using wsgi::by_slot;
using wsgi::BySlot;
using wsgi::Completion;
using wsgi::kPhaseNames;
using wsgi::kPhases;
using wsgi::mean_seconds;
using wsgi::Mode;
using wsgi::mode_number;
using wsgi::mode_of;
using wsgi::overlapping_phases;
using wsgi::Phase;
using wsgi::phase_of;
using wsgi::phases_of;
using wsgi::Recorder;
using wsgi::Request;
using wsgi::sequential_phases;
using wsgi::SlowReader;
using wsgi::SlowRequest;
using wsgi::SlowRequests;
using wsgi::Timestamps;
using wsgi::WallAnchor;
using wsgi::Worker;
namespace views = wsgi::views;
namespace bounds = wsgi::bounds;

using Classes = std::array<std::uint64_t, 5>;

/// Returns an empty window.
inline Window empty_window(std::size_t slots, Mode mode = Mode::kDaemon) {
  return {schema_info<Completion>, mode_number(mode), slots};
}

/// Returns the counts of responses by class.
template <class Counted>
Classes classes_of(const Counted& counted) {
  Classes classes{};
  const auto counts = wsgi::status_classes(counted.counts());
  std::copy(counts.begin(), counts.end(), classes.begin());
  return classes;
}

/// Returns the number of single waits for an interpreter lock.
template <class Counted>
std::uint64_t waits_of(const Counted& counted) {
  return wsgi::gil_wait_count(counted.counts());
}

/// Returns the word of a window that a field begins with, for tests that make windows by hand.
inline std::uint64_t& sum_of(Window& window, std::size_t field) {
  return window.sums[window.schema->fields[field].sum];
}

/// Adds a duration of a phase to a window.
inline void observe(Window& window, Phase phase, std::uint64_t us) {
  const FieldInfo& field = window.schema->fields[wsgi::field_of(phase)];
  window.sums[field.sum] += us;
  ++window.sums[field.buckets_at + BucketLayout::bucket_of(us)];
  window.extremes[field.extreme] = std::max(window.extremes[field.extreme], us);
  window.extremes[field.extreme + 1] = std::max(window.extremes[field.extreme + 1], ~us);
}

/// Returns all fields but the durations of the phases that are not in the list, and the waits if they are not.
inline encode::FieldSet only_phases(std::initializer_list<Phase> phases) {
  const auto sets = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return std::array{encode::FieldSet::of<wsgi::kMemberOf<static_cast<Phase>(kI)>>()...};
  }
  (std::make_index_sequence<kPhases>());
  encode::FieldSet fields = encode::FieldSet::all();
  for (const encode::FieldSet& set : sets) fields.remove(set);
  for (const Phase phase : phases) fields.add(sets[index(phase)]);
  return fields;
}

}  // namespace sluice::test
