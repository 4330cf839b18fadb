// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/metrics/status_section.hpp"

#include <apr_optional_hooks.h>
#include <mod_status.h>

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <string>
#include <vector>

#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/wsgi/schema/window.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {
namespace {

struct Column {
  const char* key;    ///< Name in the output for programs, after "Sluice".
  const char* title;  ///< Title in the output for people.
  std::string value;
};

std::string decimal(std::uint64_t value, std::uint64_t unit) {
  std::string digits = std::to_string(value % unit * 1000 / unit);
  digits.insert(0, 3 - digits.size(), '0');
  return std::to_string(value / unit) + "." + digits;
}

std::vector<Column> columns(const GroupReading& reading) {
  constexpr std::uint64_t kMiB = 1 << 20;
  const GroupCounts& counts = reading.counts;
  const std::span<const std::uint64_t> counted = wsgi::status_classes(counts.counts());
  // Without a reading of any group there are none.
  std::array<std::uint64_t, http::kStatusClasses> classes{};
  std::copy(counted.begin(), counted.end(), classes.begin());
  const auto number = [](std::uint64_t value) { return std::to_string(value); };
  return {{"Processes", "Processes", number(reading.processes)},
          {"ProcessStarts", "Started", number(reading.process_starts)},
          {"UnlistedProcesses", "Unlisted", number(reading.unlisted_processes)},
          {"Threads", "Threads", number(reading.threads)},
          {"ThreadsLimit", "At most", number(reading.threads_limit)},
          {"ActiveRequests", "In flight", number(reading.active_requests)},
          {"LongestRequestSeconds", "Longest, s", decimal(reading.longest_request_ns, kNsPerSecond)},
          {"Requests", "Requests", number(counts.request_count)},
          {"Requests1xx", "1xx", number(classes[0])},
          {"Requests2xx", "2xx", number(classes[1])},
          {"Requests3xx", "3xx", number(classes[2])},
          {"Requests4xx", "4xx", number(classes[3])},
          {"Requests5xx", "5xx", number(classes[4])},
          {"BusySeconds", "Busy, s", decimal(counts.busy_ns, kNsPerSecond)},
          {"CPUSeconds", "CPU, s", decimal(counts.process_cpu_us, kUsPerSecond)},
          {"ResidentMiB", "Memory, MiB", decimal(reading.resident_bytes, kMiB)}};
}

void print_lines(request_rec* request, const ServerReading& reading) {
  for (const Column& column : columns(reading.total)) {
    ap_rprintf(request, "Sluice%s: %s\n", column.key, column.value.c_str());
  }
}

template <class Print>
void for_each_row(const ServerReading& reading, Print&& print) {
  for (const GroupReading& group : reading.groups) print(group.name.c_str(), group);
  print("all", reading.total);
}

void print_list(request_rec* request, const ServerReading& reading) {
  for_each_row(reading, [request](const char* name, const GroupReading& group) {
    ap_rprintf(request, "<p><b>%s</b>", ap_escape_html(request->pool, name));
    for (const Column& column : columns(group))
      ap_rprintf(request, "<br />\n%s: %s", column.title, column.value.c_str());
    ap_rputs("</p>\n", request);
  });
}

void print_table(request_rec* request, const ServerReading& reading) {
  ap_rputs("<table border=\"0\">\n<tr><th>Process group</th>", request);
  for (const Column& column : columns(reading.total)) ap_rprintf(request, "<th>%s</th>", column.title);
  ap_rputs("</tr>\n", request);
  for_each_row(reading, [request](const char* name, const GroupReading& group) {
    ap_rprintf(request, "<tr><td>%s</td>", ap_escape_html(request->pool, name));
    for (const Column& column : columns(group)) ap_rprintf(request, "<td>%s</td>", column.value.c_str());
    ap_rputs("</tr>\n", request);
  });
  ap_rputs("</table>\n", request);
}

int print_section(request_rec* request, int flags) noexcept {
  try {
    const absl::StatusOr<ServerReading> reading = read_registry(parent_state());
    if (!reading.ok()) return DECLINED;
    if ((flags & AP_STATUS_SHORT) != 0) {
      print_lines(request, *reading);
      return OK;
    }
    ap_rputs("<hr />\n<h1>Sluice: WSGI process groups</h1>\n", request);
    if ((flags & AP_STATUS_NOTABLE) != 0) {
      print_list(request, *reading);
    } else {
      print_table(request, *reading);
    }
    return OK;
  } catch (const std::exception&) {
    return DECLINED;
  }
}

}  // namespace

void add_status_section() { APR_OPTIONAL_HOOK(ap, status_hook, print_section, nullptr, nullptr, APR_HOOK_MIDDLE); }

}  // namespace sluice::apache
