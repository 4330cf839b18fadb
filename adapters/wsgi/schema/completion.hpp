// SPDX-License-Identifier: Apache-2.0
// The measurements of one request that a host makes, handed to the recorder when the request is done, and the schema by
// which they are recorded: the eight phases of the Internal Metrics API.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>

#include "adapters/wsgi/schema/bucket_layout.hpp"
#include "adapters/wsgi/schema/phase.hpp"
#include "sluice/http.hpp"
#include "sluice/schema.hpp"

namespace sluice::wsgi {

/// The single waits for an interpreter lock during one request, in nanoseconds.
using GilWaits = Observations;

/// The measurements of one request. Durations are whole microseconds, cut off, not rounded. Phases that a host does not
/// have stay 0. A host may fill the members itself, or have Recorder::measure_phases() derive phases from Timestamps.
struct Completion {
  int status = 200;  ///< Status of the response. 0 (no response was started) and codes outside 100..599 count as 5xx.

  std::uint64_t server_us = 0;        ///< Phase::kServer.
  std::uint64_t application_us = 0;   ///< Phase::kApplication.
  std::uint64_t request_us = 0;       ///< Phase::kRequest.
  std::uint64_t input_read_us = 0;    ///< Phase::kInputRead.
  std::uint64_t output_write_us = 0;  ///< Phase::kOutputWrite.
  std::uint64_t queue_us = 0;         ///< Phase::kQueue. Not recorded in embedded mode.
  std::uint64_t daemon_us = 0;        ///< Phase::kDaemon. Not recorded in embedded mode.
  GilWaits gil_waits = {};            ///< Phase::kGilWait.

  std::uint64_t cpu_ns = 0;         ///< CPU time that the thread spent on the request.
  std::uint64_t input_bytes = 0;    ///< Bytes read from the request body.
  std::uint64_t input_reads = 0;    ///< Number of reads from the request body.
  std::uint64_t output_bytes = 0;   ///< Bytes written to the response body.
  std::uint64_t output_writes = 0;  ///< Number of writes to the response body.
};

/// The member that records each phase, by index().
inline constexpr std::tuple kPhaseMembers = {
    &Completion::server_us,       &Completion::application_us, &Completion::request_us, &Completion::input_read_us,
    &Completion::output_write_us, &Completion::gil_waits,      &Completion::queue_us,   &Completion::daemon_us};

/// The member that records a phase.
template <Phase kPhase>
inline constexpr auto kMemberOf = std::get<index(kPhase)>(kPhaseMembers);

/// An amount that is counted of a request beside its phases.
struct Amount {
  std::string_view name;  ///< As in dictionaries.
  std::uint64_t Completion::*member = nullptr;
  bool in_bytes = false;  ///< False for a number of calls.
};

/// The amounts in the order in which they are reported.
inline constexpr std::array<Amount, 4> kAmounts = {{{"input_bytes", &Completion::input_bytes, true},
                                                    {"input_reads", &Completion::input_reads},
                                                    {"output_bytes", &Completion::output_bytes, true},
                                                    {"output_writes", &Completion::output_writes}}};

/// Places of the values that windows keep by worker slot, in the order of the schema.
enum class BySlot : std::uint8_t { kCpuNs, kMaxDurationNs };

namespace detail {

/// Makes the histogram of a phase.
template <Phase kPhase>
constexpr auto phase() noexcept {
  const auto field = histogram("phase.duration", Unit::kMicroseconds, kMemberOf<kPhase>, BucketLayout())
                         .help("Duration of a phase of requests.")
                         .label("phase", kPhaseLabels[index(kPhase)]);
  return index(kPhase) < kEmbeddedPhases ? field : field.only_in(static_cast<unsigned>(Mode::kDaemon));
}

}  // namespace detail

}  // namespace sluice::wsgi

namespace sluice {

template <>
inline constexpr wsgi::Completion abandoned<wsgi::Completion>{.status = 0};

template <>
inline constexpr auto schema<wsgi::Completion> =
    fields(classes<http::kStatusClasses, http::status_class>("status_class", &wsgi::Completion::status)
               .names("1xx", "2xx", "3xx", "4xx", "5xx"),
           wsgi::detail::phase<wsgi::Phase::kServer>(), wsgi::detail::phase<wsgi::Phase::kApplication>(),
           histogram("request.duration", Unit::kMicroseconds, &wsgi::Completion::request_us, wsgi::BucketLayout())
               .help("Duration of requests.")
               .otel_bounds(),
           wsgi::detail::phase<wsgi::Phase::kInputRead>(), wsgi::detail::phase<wsgi::Phase::kOutputWrite>(),
           wsgi::detail::phase<wsgi::Phase::kGilWait>().measured_in(Unit::kNanoseconds),
           wsgi::detail::phase<wsgi::Phase::kQueue>(), wsgi::detail::phase<wsgi::Phase::kDaemon>(),
           counter("request.cpu", Unit::kNanoseconds, &wsgi::Completion::cpu_ns)
               .help("CPU time of completed requests.")
               .by_slot(),
           counter("gil.waits", Unit::kNone, &wsgi::Completion::gil_waits)
               .help("Number of waits for an interpreter lock.")
               .of("{wait}"),
           counter("input", Unit::kBytes, &wsgi::Completion::input_bytes).help("Bytes read from request bodies."),
           counter("input.reads", Unit::kNone, &wsgi::Completion::input_reads)
               .help("Number of reads from request bodies.")
               .of("{read}"),
           counter("output", Unit::kBytes, &wsgi::Completion::output_bytes).help("Bytes written to response bodies."),
           counter("output.writes", Unit::kNone, &wsgi::Completion::output_writes)
               .help("Number of writes to response bodies.")
               .of("{write}"),
           maximum("request.longest", Unit::kNanoseconds, kElapsed).help("Duration of the longest request.").by_slot())
        .prefix("http.server")
        .modes("embedded", "daemon");

}  // namespace sluice
