// SPDX-License-Identifier: Apache-2.0
// The families that encoders write: those of a window and of lifetime totals, and those of the process groups of a
// server.
#pragma once

#include <array>
#include <string_view>

#include "encode/family.hpp"

namespace sluice::encode {

inline constexpr Family kRequests = {"requests", Kind::kCounter, "", "{request}", "Number of completed requests."};
inline constexpr Family kDuration = {"request.duration", Kind::kHistogram, "seconds", "s", "Duration of requests."};
inline constexpr Family kPhase = {"phase.duration", Kind::kHistogram, "seconds", "s",
                                  "Duration of a phase of requests."};
inline constexpr Family kBusy = {"busy", Kind::kCounter, "seconds", "s",
                                 "Time that worker threads spent in requests, those in flight included."};
inline constexpr Family kCpu = {"request.cpu", Kind::kCounter, "seconds", "s", "CPU time of completed requests."};
inline constexpr Family kWaits = {"gil.waits", Kind::kCounter, "", "{wait}",
                                  "Number of waits for an interpreter lock."};
inline constexpr Family kInput = {"input", Kind::kCounter, "bytes", "By", "Bytes read from request bodies."};
inline constexpr Family kReads = {"input.reads", Kind::kCounter, "", "{read}", "Number of reads from request bodies."};
inline constexpr Family kOutput = {"output", Kind::kCounter, "bytes", "By", "Bytes written to response bodies."};
inline constexpr Family kWrites = {"output.writes", Kind::kCounter, "", "{write}",
                                   "Number of writes to response bodies."};
inline constexpr Family kActive = {"active_requests", Kind::kGauge, "", "{request}", "Number of requests in flight."};
inline constexpr Family kThreads = {"threads", Kind::kGauge, "", "{thread}",
                                    "Number of worker slots that have been used."};
inline constexpr Family kLimit = {"threads.limit", Kind::kGauge, "", "{thread}", "Number of worker slots."};
inline constexpr Family kOfThread = {"thread.requests", Kind::kCounter, "", "{request}",
                                     "Number of requests that a thread completed."};
inline constexpr Family kProcessCpu = {"process.cpu", Kind::kCounter,    "seconds", "s", "CPU time of the process.",
                                       "process_cpu", "process.cpu.time"};
inline constexpr Family kMemory = {
    "process.memory",          Kind::kGauge,          "bytes", "By", "Resident memory of the process.",
    "process_resident_memory", "process.memory.usage"};

// Families of process groups alone.
inline constexpr Family kCompletedBusy = {"busy", Kind::kCounter, "seconds", "s",
                                          "Time that worker threads spent in completed requests."};
inline constexpr Family kLongest = {"longest_request", Kind::kGauge, "seconds", "s",
                                    "Age of the oldest request in flight."};
inline constexpr Family kProcesses = {"processes", Kind::kGauge, "", "{process}", "Number of live processes."};
inline constexpr Family kUnlisted = {"unlisted_processes", Kind::kGauge, "", "{process}",
                                     "Number of live processes whose requests are not counted."};
inline constexpr Family kStarts = {"process.starts", Kind::kCounter, "", "{process}", "Number of processes started."};
inline constexpr Family kGroupCpu = {"cpu", Kind::kCounter, "seconds", "s", "CPU time of live and ended processes."};
inline constexpr Family kResident = {"resident_memory", Kind::kGauge, "bytes", "By",
                                     "Resident memory of the live processes."};

inline constexpr unsigned kUs = 6;
inline constexpr unsigned kNs = 9;
inline constexpr std::array<std::string_view, 5> kClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};

}  // namespace sluice::encode
