// SPDX-License-Identifier: Apache-2.0
#include "encode/server_catalogue.hpp"

#include "encode/families.hpp"

namespace sluice::encode {
namespace {

/// An interval without a beginning, because the counts of a group go on through restarts.
constexpr Interval kWholeLife{0.0, 0.0};

PhaseWindow window_of(const PhaseCounts& counts) noexcept {
  PhaseWindow window;
  window.total_us = counts.total_us;
  window.buckets = counts.buckets;
  return window;
}

void classes(const GroupReading& reading, const Label& of, Visitor& to) {
  for (std::size_t i = 0; i < kClasses.size(); ++i) {
    to.point({"status_class", kClasses[i], of}, {reading.counts.status_classes[i]});
  }
}

void durations(const GroupReading& reading, const Label& of, Visitor& to) {
  to.histogram({{}, {}, of}, Phase::kRequest, window_of(reading.counts.phases[index(Phase::kRequest)]));
}

void phases(const GroupReading& reading, const Label& of, Visitor& to) {
  for (std::size_t i = 0; i < phases_of(reading.mode); ++i) {
    const auto phase = static_cast<Phase>(i);
    if (phase == Phase::kRequest) continue;
    to.histogram({"phase", short_name(phase), of}, phase, window_of(reading.counts.phases[i]));
  }
}

template <std::uint64_t GroupCounts::*Member, unsigned kDecimals = 0>
void count(const GroupReading& reading, const Label& of, Visitor& to) {
  to.point({{}, {}, of}, {reading.counts.*Member, kDecimals});
}

template <std::uint64_t GroupReading::*Member, unsigned kDecimals = 0>
void state(const GroupReading& reading, const Label& of, Visitor& to) {
  to.point({{}, {}, of}, {reading.*Member, kDecimals});
}

/// A family and the function that visits its points.
struct Entry {
  const Family& family;
  void (*points)(const GroupReading&, const Label&, Visitor&);
};

constexpr Entry kEntries[] = {
    {kRequests, classes},
    {kDuration, durations},
    {kPhase, phases},
    {kCompletedBusy, count<&GroupCounts::busy_ns, kNs>},
    {kCpu, count<&GroupCounts::request_cpu_ns, kNs>},
    {kWaits, count<&GroupCounts::gil_wait_count>},
    {kInput, count<&GroupCounts::input_bytes>},
    {kReads, count<&GroupCounts::input_reads>},
    {kOutput, count<&GroupCounts::output_bytes>},
    {kWrites, count<&GroupCounts::output_writes>},
    {kActive, state<&GroupReading::active_requests>},
    {kLongest, state<&GroupReading::longest_request_ns, kNs>},
    {kThreads, state<&GroupReading::threads>},
    {kLimit, state<&GroupReading::threads_limit>},
    {kProcesses, state<&GroupReading::processes>},
    {kUnlisted, state<&GroupReading::unlisted_processes>},
    {kStarts, state<&GroupReading::process_starts>},
    {kGroupCpu, count<&GroupCounts::process_cpu_us, kUs>},
    {kResident, state<&GroupReading::resident_bytes>},
};

}  // namespace

void visit(std::span<const GroupReading> readings, bool named, Visitor& visitor) {
  for (const Entry& entry : kEntries) {
    visitor.begin(entry.family, kWholeLife);
    for (const GroupReading& reading : readings) {
      entry.points(reading, named ? Label{"process_group", reading.name} : Label(), visitor);
    }
    visitor.end();
  }
}

}  // namespace sluice::encode
