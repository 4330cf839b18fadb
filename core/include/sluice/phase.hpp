// The timed phases of a request and the two ways in which a host runs applications.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

/// How requests reach the application. Embedded: on the threads of the server process itself. Daemon: passed on to a
/// process of their own, so that the phases `queue` and `daemon` exist.
enum class Mode : std::uint8_t { kEmbedded, kDaemon };

/// Phases overlap (application lies inside request, for example), so their totals do not add up to one another.
/// The two that exist in daemon mode alone come last: an embedded host records a prefix of the list.
enum class Phase : std::uint8_t {
  kServer,
  kApplication,
  kRequest,
  kInputRead,
  kOutputWrite,
  kGilWait,
  kQueue,
  kDaemon,
};

inline constexpr std::size_t kPhases = 8;
inline constexpr std::size_t kEmbeddedPhases = 6;

inline constexpr std::array<std::string_view, kPhases> kPhaseNames = {
    "server_time",       "application_time", "request_time", "input_read_time",
    "output_write_time", "gil_wait_time",    "queue_time",   "daemon_time"};

constexpr std::size_t index(Phase phase) noexcept { return static_cast<std::size_t>(phase); }

constexpr std::size_t phases_of(Mode mode) noexcept { return mode == Mode::kDaemon ? kPhases : kEmbeddedPhases; }

}  // namespace sluice
