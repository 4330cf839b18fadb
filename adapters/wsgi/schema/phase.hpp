// SPDX-License-Identifier: Apache-2.0
// The timed phases of a request and the two ways in which a host runs applications.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::wsgi {

/// How requests reach the application.
enum class Mode : std::uint8_t {
  kEmbedded,  ///< On the threads of the server process itself.
  kDaemon,    ///< Through a queue to a separate process; Phase::kQueue and Phase::kDaemon exist in this mode only.
};

/// Returns the number of a mode in the schema.
constexpr std::uint8_t mode_number(Mode mode) noexcept { return static_cast<std::uint8_t>(mode); }

/// A timed phase of a request. Phases overlap (application lies within request, for example), so their totals do not
/// add up to one another. The two phases of daemon mode come last: an embedded host records a prefix of the list.
enum class Phase : std::uint8_t {
  kServer,       ///< Time in the server, from acceptance until its handler returns.
  kApplication,  ///< Time in the application.
  kRequest,      ///< Time from acceptance until the response is written.
  kInputRead,    ///< Time spent reading the request body.
  kOutputWrite,  ///< Time spent writing the response body.
  kGilWait,      ///< Time spent waiting for the interpreter lock.
  kQueue,        ///< Time until a thread of the daemon process takes the request.
  kDaemon,       ///< Time in the daemon process.
};

inline constexpr std::size_t kPhases = 8;          ///< Number of phases.
inline constexpr std::size_t kEmbeddedPhases = 6;  ///< Number of phases in embedded mode.

/// Names of the phases by index(), as in dictionaries and metrics.
inline constexpr std::array<std::string_view, kPhases> kPhaseNames = {
    "server_time",       "application_time", "request_time", "input_read_time",
    "output_write_time", "gil_wait_time",    "queue_time",   "daemon_time"};

/// The same without their suffix, as in labels.
inline constexpr std::array<std::string_view, kPhases> kPhaseLabels = [] {
  std::array<std::string_view, kPhases> labels{};
  for (std::size_t i = 0; i < kPhases; ++i) {
    labels[i] = kPhaseNames[i].substr(0, kPhaseNames[i].size() - std::string_view("_time").size());
  }
  return labels;
}();

/// The phases in the order in which they are reported, in dicts as in datagrams.
inline constexpr std::array<Phase, kPhases> kReportOrder = {Phase::kServer,      Phase::kQueue,      Phase::kDaemon,
                                                            Phase::kApplication, Phase::kRequest,    Phase::kGilWait,
                                                            Phase::kInputRead,   Phase::kOutputWrite};

/// Returns the position of a phase in arrays by phase.
constexpr std::size_t index(Phase phase) noexcept { return static_cast<std::size_t>(phase); }

/// Returns the number of phases that a mode has: 6 or 8.
constexpr std::size_t phases_of(Mode mode) noexcept { return mode == Mode::kDaemon ? kPhases : kEmbeddedPhases; }

}  // namespace sluice::wsgi
