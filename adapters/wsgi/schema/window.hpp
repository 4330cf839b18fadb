// SPDX-License-Identifier: Apache-2.0
// The counts of the eight phases, by their names.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "adapters/wsgi/schema/completion.hpp"
#include "adapters/wsgi/schema/phase.hpp"
#include "sluice/counts.hpp"
#include "sluice/units.hpp"
#include "sluice/window.hpp"

namespace sluice::wsgi {

/// Returns the mode of a window or group.
template <class Counted>
[[nodiscard]] Mode mode_of(const Counted& counted) noexcept {
  return static_cast<Mode>(counted.mode);
}

/// Returns the place of a phase in the schema.
[[nodiscard]] constexpr std::size_t field_of(Phase phase) noexcept {
  constexpr auto kFields = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return std::array{sluice::detail::field_of<kMemberOf<static_cast<Phase>(kI)>>()...};
  }
  (std::make_index_sequence<kPhases>());
  return kFields[index(phase)];
}

/// Returns the durations of a phase. All are 0 for a phase that the mode does not have.
[[nodiscard]] inline HistogramView phase_of(const CountsRef& counts, Phase phase) noexcept {
  return counts.histogram(schema_info<Completion>.fields[field_of(phase)]);
}

/// Returns the durations of a phase.
[[nodiscard]] inline HistogramView phase_of(const Window& window, Phase phase) noexcept {
  return phase_of(window.counts(), phase);
}

/// Returns seconds per request; 0.0 without requests.
[[nodiscard]] inline double mean_seconds(const Window& window, Phase phase) noexcept {
  if (window.request_count == 0) return 0.0;
  return seconds_of_us(phase_of(window, phase).total) / static_cast<double>(window.request_count);
}

/// Returns the number of single waits for an interpreter lock.
[[nodiscard]] inline std::uint64_t gil_wait_count(const CountsRef& counts) noexcept {
  constexpr std::size_t kField = sluice::detail::field_named<Completion>("gil.waits");
  return counts.get_field<Completion, kField>();
}

/// Returns an amount of all requests, by its position in kAmounts.
[[nodiscard]] inline std::uint64_t amount_of(const CountsRef& counts, std::size_t amount) noexcept {
  constexpr auto kFields = []<std::size_t... kI>(std::index_sequence<kI...>) {
    return std::array{sluice::detail::field_of<kAmounts[kI].member>()...};
  }
  (std::make_index_sequence<kAmounts.size()>());
  return counts.number(schema_info<Completion>.fields[kFields[amount]]);
}

/// Returns the counts of responses by class, 1xx to 5xx.
[[nodiscard]] inline std::span<const std::uint64_t> status_classes(const CountsRef& counts) noexcept {
  return counts.get<&Completion::status>();
}

/// Returns a value that windows keep by worker slot.
[[nodiscard]] inline std::uint64_t by_slot(const Window& window, std::size_t slot, BySlot which) noexcept {
  return window.slot_value(slot, static_cast<std::size_t>(which));
}

}  // namespace sluice::wsgi
