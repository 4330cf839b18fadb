// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/metrics/listed_requests.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/wsgi/schema/process_board.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {
namespace {

constexpr std::size_t kMost = 100;
constexpr std::uint64_t kQueueNs = 60'000'000'000;

struct Entry {
  std::uint64_t age_ns;
  std::string_view group;
  std::int32_t pid;
  wsgi::RequestInFlight request;
  std::size_t rank = 0;  ///< Number of older requests of the same group.
};

bool older(const Entry& a, const Entry& b) noexcept { return a.age_ns > b.age_ns; }

/// Orders entries so that the oldest of each group come first, then the second oldest of each, and so on.
bool has_precedence(const Entry& a, const Entry& b) noexcept {
  return a.rank != b.rank ? a.rank < b.rank : a.age_ns > b.age_ns;
}

/// Drops all entries but those that come first in the order. Leaves the others in any order.
void keep_first(std::vector<Entry>& entries, bool (*order)(const Entry&, const Entry&) noexcept) {
  if (entries.size() <= kMost) return;
  std::nth_element(entries.begin(), entries.begin() + kMost, entries.end(), order);
  entries.resize(kMost);
}

/// Adds the requests of a process.
void collect(const GroupReading& group, const ProcessReading& process, std::uint64_t least_ns, std::uint64_t now_ns,
             std::vector<Entry>& entries) {
  for (wsgi::RequestInFlight& request : wsgi::requests_in(process.host_memory, process.threads_limit)) {
    if (request.start_ns > now_ns) continue;
    const std::uint64_t age_ns = std::min(now_ns - request.start_ns, process.age_ns + kQueueNs);
    if (age_ns >= least_ns) entries.push_back({age_ns, group.name, process.pid, std::move(request), 0});
  }
}

void put(const Entry& entry, std::string& out) {
  out += "{\"process_group\":" + encode::json_text(entry.group);
  out += ",\"pid\":" + std::to_string(entry.pid);
  out += ",\"thread\":" + std::to_string(entry.request.thread_id);
  char age[32];
  std::snprintf(age, sizeof age, "%.6f", seconds_of_ns(entry.age_ns));
  out += ",\"age_seconds\":" + std::string(age);
  out += ",\"method\":" + encode::json_text(entry.request.method);
  out += ",\"path\":" + encode::json_text(entry.request.path) + '}';
}

/// Returns the oldest requests of a group, oldest first.
std::vector<Entry> collect(const GroupReading& group, std::uint64_t least_ns, std::uint64_t now_ns) {
  std::vector<Entry> entries;
  for (const ProcessReading& process : group.live) {
    collect(group, process, least_ns, now_ns, entries);
    keep_first(entries, older);
  }
  std::sort(entries.begin(), entries.end(), older);
  for (std::size_t rank = 0; rank < entries.size(); ++rank) entries[rank].rank = rank;
  return entries;
}

}  // namespace

std::string listed_requests(const ServerReading& reading, std::uint64_t age_ns, std::uint64_t now_ns) {
  std::vector<Entry> entries;
  for (const GroupReading& group : reading.groups) {
    std::vector<Entry> own = collect(group, age_ns, now_ns);
    std::move(own.begin(), own.end(), std::back_inserter(entries));
    keep_first(entries, has_precedence);
  }
  std::sort(entries.begin(), entries.end(), older);
  std::string members = ",\"slow_requests\":[";
  for (const Entry& entry : entries) {
    if (&entry != entries.data()) members += ',';
    put(entry, members);
  }
  return members + ']';
}

}  // namespace sluice::apache
