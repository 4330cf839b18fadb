// The families that exporters write, each named once. Those of a window and of lifetime totals, and those of the
// process groups of a server.
#pragma once

#include <array>
#include <string_view>

#include "encode/catalogue.hpp"

namespace sluice::encode {

inline constexpr Family kRequests = {"requests", Kind::kCounter, "", "{request}", "Requests completed."};
inline constexpr Family kDuration = {"request.duration", Kind::kHistogram, "seconds", "s", "Duration of requests."};
inline constexpr Family kPhase = {"phase.duration", Kind::kHistogram, "seconds", "s",
                                  "Duration of a phase of requests."};
inline constexpr Family kBusy = {"busy", Kind::kCounter, "seconds", "s",
                                 "Time that worker threads spent inside requests."};
inline constexpr Family kCpu = {"request.cpu", Kind::kCounter, "seconds", "s", "CPU time of completed requests."};
inline constexpr Family kWaits = {"gil.waits", Kind::kCounter, "", "{wait}", "Waits for the lock of an interpreter."};
inline constexpr Family kInput = {"input", Kind::kCounter, "bytes", "By", "Bytes read of request bodies."};
inline constexpr Family kReads = {"input.reads", Kind::kCounter, "", "{read}", "Reads of request bodies."};
inline constexpr Family kOutput = {"output", Kind::kCounter, "bytes", "By", "Bytes written of responses."};
inline constexpr Family kWrites = {"output.writes", Kind::kCounter, "", "{write}", "Writes of responses."};
inline constexpr Family kActive = {"active_requests", Kind::kGauge, "", "{request}", "Requests in flight."};
inline constexpr Family kThreads = {"threads", Kind::kGauge, "", "{thread}", "Worker slots that have been used."};
inline constexpr Family kLimit = {"threads.limit", Kind::kGauge, "", "{thread}", "Worker slots."};
inline constexpr Family kOfThread = {"thread.requests", Kind::kCounter, "", "{request}",
                                     "Requests completed by a thread."};
inline constexpr Family kProcessCpu = {"process.cpu", Kind::kCounter,    "seconds", "s", "CPU time of the process.",
                                       "process_cpu", "process.cpu.time"};
inline constexpr Family kMemory = {
    "process.memory",          Kind::kGauge,          "bytes", "By", "Resident memory of the process.",
    "process_resident_memory", "process.memory.usage"};

// Of process groups alone.
inline constexpr Family kCompletedBusy = {"busy", Kind::kCounter, "seconds", "s",
                                          "Time that worker threads spent inside requests that completed."};
inline constexpr Family kLongest = {"longest_request", Kind::kGauge, "seconds", "s",
                                    "Age of the request that has been in flight for longest."};
inline constexpr Family kProcesses = {"processes", Kind::kGauge, "", "{process}", "Processes that live."};
inline constexpr Family kUnlisted = {"unlisted_processes", Kind::kGauge, "", "{process}",
                                     "Processes that live and whose requests are not counted here."};
inline constexpr Family kStarts = {"process.starts", Kind::kCounter, "", "{process}", "Processes started."};
inline constexpr Family kGroupCpu = {"cpu", Kind::kCounter, "seconds", "s",
                                     "CPU time of processes, ended ones included."};
inline constexpr Family kResident = {"resident_memory", Kind::kGauge, "bytes", "By", "Resident memory of processes."};

inline constexpr unsigned kUs = 6;
inline constexpr unsigned kNs = 9;
inline constexpr std::array<std::string_view, 5> kClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};

}  // namespace sluice::encode
