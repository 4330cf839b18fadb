// SPDX-License-Identifier: Apache-2.0
// The families that encoders write for every schema: those of a window and of lifetime totals, and those of process
// groups. The others are made from the fields of the schema.
#pragma once

#include "encode/family.hpp"

namespace sluice::inline v0_1::encode {

inline constexpr Family kRequests = {"requests", Kind::kCounter, "", "{request}", "Number of completed requests."};
inline constexpr Family kBusy = {"busy", Kind::kCounter, "seconds", "s",
                                 "Time that worker threads spent in requests, those in flight included."};
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

// Families of event loops, and of process groups.
inline constexpr Family kUntracked = {"untracked_requests", Kind::kGauge, "", "{request}",
                                      "Number of requests in flight whose age is not known."};

// Families that only process groups have. Their CPU time and memory do not have the names `process_...` of Prometheus
// and OpenTelemetry, because these mean one process, and a group has the sum of all.
inline constexpr Family kCompletedBusy = {"busy", Kind::kCounter, "seconds", "s",
                                          "Time that worker threads spent in completed requests."};
inline constexpr Family kLongest = {
    "longest_request", Kind::kGauge, "seconds", "s", "Age of the oldest request in flight.", {}, {}, false};
inline constexpr Family kProcesses = {"processes", Kind::kGauge, "", "{process}", "Number of live processes."};
inline constexpr Family kUnlisted = {"unlisted_processes", Kind::kGauge, "", "{process}",
                                     "Number of live processes whose requests are not counted."};
inline constexpr Family kStarts = {"process.starts", Kind::kCounter, "", "{process}", "Number of processes started."};
inline constexpr Family kGroupCpu = {"cpu", Kind::kCounter, "seconds", "s", "CPU time of live and ended processes."};
inline constexpr Family kResident = {"resident_memory", Kind::kGauge, "bytes", "By",
                                     "Resident memory of the live processes."};

inline constexpr unsigned kUs = 6;
inline constexpr unsigned kNs = 9;

}  // namespace sluice::encode
