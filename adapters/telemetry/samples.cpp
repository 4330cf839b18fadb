// SPDX-License-Identifier: Apache-2.0
#include "adapters/telemetry/samples.hpp"

#include <algorithm>
#include <array>

#include "adapters/wsgi/schema/bucket_layout.hpp"
#include "adapters/wsgi/schema/window.hpp"
#include "sluice/units.hpp"

namespace sluice::telemetry {
namespace {

void add_identity(Datagram& datagram, const Identity& identity) {
  datagram.add(Field::kModWsgiVersion, identity.module_version)
      .add(Field::kPythonVersion, identity.python_version)
      .add(Field::kApacheVersion, identity.server_version)
      .add(Field::kMpmName, identity.mpm_name)
      .add(Field::kHostname, identity.hostname)
      .add(Field::kProcessGroup, identity.process_group)
      .add(Field::kProcessParentPid, std::uint64_t{identity.parent_pid});
  if (identity.switch_interval > 0.0) datagram.add(Field::kSwitchInterval, identity.switch_interval);
}

void add_phases(Datagram& datagram, const Window& window) {
  for (std::size_t i = 0; i < wsgi::kPhases; ++i) {
    const wsgi::Phase which = wsgi::kReportOrder[i];  // as the receiver numbers them
    if (index(which) >= wsgi::phases_of(wsgi::mode_of(window))) continue;
    const HistogramView phase = wsgi::phase_of(window, which);
    datagram.add(after(Field::kPhaseMean, i), wsgi::mean_seconds(window, which));
    if (phase.observed()) {
      datagram.add(after(Field::kPhaseMin, i), seconds_of_us(phase.smallest))
          .add(after(Field::kPhaseMax, i), seconds_of_us(phase.largest));
    }
    datagram.add_counts(after(Field::kPhaseBuckets, i), wsgi::views::kQuarterOctaves.size(),
                        [&](std::size_t entry) { return wsgi::views::kQuarterOctaves.count(phase.buckets, entry); });
  }
}

void add_threads(Datagram& datagram, const Window& window) {
  const std::size_t size = std::min(window.slots.size(), kListedThreads);
  const auto& slots = window.slots;
  datagram.add_counts(Field::kRequestThreadsCompleted, size, [&](std::size_t i) { return slots[i].completed; })
      .add_numbers(Field::kRequestThreadsBusyTime, size, [&](std::size_t i) { return seconds_of_ns(slots[i].busy_ns); })
      .add_numbers(Field::kRequestThreadsCpuTime, size,
                   [&](std::size_t i) { return seconds_of_ns(wsgi::by_slot(window, i, wsgi::BySlot::kCpuNs)); })
      .add_numbers(Field::kRequestThreadsCurrentElapsed, size,
                   [&](std::size_t i) { return seconds_of_ns(slots[i].current_elapsed_ns); })
      .add_numbers(Field::kRequestThreadsMaxDuration, size, [&](std::size_t i) {
        return seconds_of_ns(wsgi::by_slot(window, i, wsgi::BySlot::kMaxDurationNs));
      });
}

}  // namespace

Datagram process_started(const Identity& identity, const Datagram::Header& header) {
  Datagram datagram(Kind::kProcessStarted, header);
  add_identity(datagram, identity);
  return datagram;
}

Datagram request_metrics(const Identity& identity, const Intervals& intervals, const Window& window,
                         std::uint32_t sequence) {
  Datagram datagram(Kind::kRequestMetrics, {.pid = identity.pid, .sequence = sequence, .stamp = window.stop_time});
  add_identity(datagram, identity);
  datagram.add(Field::kSamplePeriod, window.sample_period)
      .add(Field::kTelemetryInterval, intervals.interval)
      .add(Field::kSlowRequestsThreshold, intervals.slow_threshold)
      .add(Field::kRequestCount, window.request_count)
      .add(Field::kRequestThroughput, window.request_throughput())
      .add(Field::kCapacityUtilization, window.capacity_utilization())
      .add(Field::kCpuUserUtilization, window.cpu_user_utilization())
      .add(Field::kCpuSystemUtilization, window.cpu_system_utilization())
      .add(Field::kCpuUtilization, window.cpu_user_utilization() + window.cpu_system_utilization())
      .add(Field::kMemoryRss, window.resources.memory_rss)
      .add(Field::kMemoryMaxRss, window.resources.memory_max_rss)
      .add(Field::kRequestThreadsMaximum, std::uint64_t{window.slots.size()})
      .add(Field::kRequestThreadsStarted, std::uint64_t{window.threads_started})
      .add(Field::kRequestThreadsActive, std::uint64_t{window.threads_active()});
  add_phases(datagram, window);
  for (std::size_t i = 0; i < wsgi::kAmounts.size(); ++i) {
    datagram.add(after(Field::kAmountTotal, i), wsgi::amount_of(window.counts(), i));
  }
  const std::span<const std::uint64_t> classes = wsgi::status_classes(window.counts());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    datagram.add(after(Field::kStatusTotal, i), classes[i]);
  }
  add_threads(datagram, window);
  return datagram;
}

Datagram slow_request(const wsgi::SlowRequest& request, const Datagram::Header& header) {
  const wsgi::Completion& done = request.done;
  Datagram datagram(Kind::kSlowRequest, header);
  datagram.add(Field::kSlowRecordState, std::uint64_t{request.active ? 0U : 1U})
      .add(Field::kSlowStartStamp, request.start_time)
      .add(Field::kSlowDuration, seconds_of_us(request.duration_us))
      .add(Field::kSlowThreadId, std::uint64_t{request.thread_id})
      .add(Field::kSlowServerPid, request.server_pid)
      .add(Field::kSlowLogId, request.text(wsgi::RequestText::kId))
      .add(Field::kSlowMethod, request.text(wsgi::RequestText::kMethod))
      .add(Field::kSlowScheme, request.text(wsgi::RequestText::kScheme))
      .add(Field::kSlowHostname, request.text(wsgi::RequestText::kHost))
      .add(Field::kSlowScriptName, request.text(wsgi::RequestText::kScriptName))
      .add(Field::kSlowPathInfo, request.text(wsgi::RequestText::kPathInfo))
      .add(Field::kSlowProtocol, request.text(wsgi::RequestText::kProtocol))
      .add(Field::kSlowPeerIp, request.text(wsgi::RequestText::kPeerAddress))
      .add(Field::kSlowUserAgent, request.text(wsgi::RequestText::kUserAgent))
      .add(Field::kSlowServerTime, seconds_of_us(done.server_us))
      .add(Field::kSlowQueueTime, seconds_of_us(done.queue_us))
      .add(Field::kSlowDaemonTime, seconds_of_us(done.daemon_us))
      .add(Field::kSlowApplicationTime, seconds_of_us(done.application_us))
      .add(Field::kSlowGilWaitTime, seconds_of_ns(done.gil_waits.total))
      .add(Field::kSlowGilWaitCount, done.gil_waits.count);
  for (std::size_t i = 0; i < wsgi::kAmounts.size(); ++i) {
    datagram.add(after(Field::kSlowAmount, i), done.*wsgi::kAmounts[i].member);
  }
  datagram.add(Field::kSlowInputReadTime, seconds_of_us(done.input_read_us))
      .add(Field::kSlowOutputWriteTime, seconds_of_us(done.output_write_us))
      .add(Field::kSlowStatus, static_cast<std::uint64_t>(std::max(done.status, 0)))
      .add(Field::kSlowCpuUserTime, seconds_of_us(request.cpu.user_us))
      .add(Field::kSlowCpuSystemTime, seconds_of_us(request.cpu.system_us))
      .add(Field::kSlowActiveAtStart, std::uint64_t{request.active_at_start})
      .add(Field::kSlowActiveAtCompletion, std::uint64_t{request.active_requests});
  return datagram;
}

Datagram collection_snapshot(const CollectionCounters& counters, std::uint64_t dropped,
                             const Datagram::Header& header) {
  Datagram datagram(Kind::kCollectionSnapshot, header);
  const auto add_generations = [&datagram](Field first, const std::array<std::uint64_t, kGenerations>& values) {
    for (std::size_t i = 0; i < kGenerations; ++i) datagram.add(after(first, i), values[i]);
  };
  add_generations(Field::kCollectionCount, counters.count);
  add_generations(Field::kCollectionThreshold, counters.threshold);
  add_generations(Field::kCollectionRuns, counters.runs);
  add_generations(Field::kCollectionCollected, counters.collected);
  add_generations(Field::kCollectionUncollectable, counters.uncollectable);
  datagram.add(Field::kCollectionEnabled, std::uint64_t{counters.enabled ? 1U : 0U})
      .add(Field::kCollectionFrozen, counters.frozen)
      .add(Field::kCollectionEventsDropped, dropped);
  return datagram;
}

Datagram collection_event(const CollectionEvent& event, const Datagram::Header& header) {
  Datagram datagram(Kind::kCollectionEvent, header);
  datagram.add(Field::kCollectionEventStart, event.start)
      .add(Field::kCollectionEventDuration, seconds_of_ns(event.duration_ns))
      .add(Field::kCollectionEventGeneration, event.generation)
      .add(Field::kCollectionEventCollected, event.collected)
      .add(Field::kCollectionEventUncollectable, event.uncollectable);
  return datagram;
}

Datagram process_stopping(const Identity& identity, const Datagram::Header& header, const End& end) {
  Datagram datagram(Kind::kProcessStopping, header);
  datagram.add(Field::kHostname, identity.hostname)
      .add(Field::kProcessGroup, identity.process_group)
      .add(Field::kShutdownReason, end.reason)
      .add(Field::kActiveRequestsAtDecision, end.active_requests);
  return datagram;
}

Datagram process_stopped(const Identity& identity, const Datagram::Header& header, const End& end, const Life& life) {
  Datagram datagram(Kind::kProcessStopped, header);
  datagram.add(Field::kHostname, identity.hostname)
      .add(Field::kProcessGroup, identity.process_group)
      .add(Field::kShutdownReason, end.reason)
      .add(Field::kProcessUptime, life.uptime)
      .add(Field::kLifetimeRequestCount, life.request_count)
      .add(Field::kActiveRequestsAtExit, end.active_requests)
      .add(Field::kGracefulDrain, std::uint64_t{life.graceful ? 1U : 0U});
  return datagram;
}

}  // namespace sluice::telemetry
