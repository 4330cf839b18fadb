// SPDX-License-Identifier: Apache-2.0
// The differences of two readings of a registry.
#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>

#include "sluice/registry.hpp"

namespace sluice::inline v0_1 {

GroupCounts GroupCounts::since(const GroupCounts& earlier) const {
  if (schema != nullptr && earlier.schema != nullptr && schema->hash != earlier.schema->hash) {
    throw std::invalid_argument("counts of two schemas have no difference");
  }
  if (!series.unused() && !earlier.series.unused() && !series.has_numbers_of(earlier.series)) {
    throw std::invalid_argument("counts with series of two sets have no difference");
  }
  GroupCounts later;
  later.request_count = growth(earlier.request_count, request_count);
  later.busy_ns = growth(earlier.busy_ns, busy_ns);
  later.process_cpu_us = growth(earlier.process_cpu_us, process_cpu_us);
  later.schema = schema;
  later.mode = mode;
  later.sums = sums;
  const std::size_t known = std::min(sums.size(), earlier.sums.size());
  for (std::size_t i = 0; i < known; ++i) later.sums[i] = growth(earlier.sums[i], sums[i]);
  later.series = series.since(earlier.series);
  return later;
}

GroupReading GroupReading::since(const GroupReading& earlier) const {
  GroupReading later = *this;
  later.counts = counts.since(earlier.counts);
  later.process_starts = growth(earlier.process_starts, process_starts);
  return later;
}

ServerReading ServerReading::since(const ServerReading& earlier) const {
  ServerReading later;
  later.start_time = start_time;
  later.groups.reserve(groups.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    const bool is_new = i >= earlier.groups.size();
    later.groups.push_back(is_new ? groups[i] : groups[i].since(earlier.groups[i]));
  }
  later.total = total.since(earlier.total);
  return later;
}

}  // namespace sluice
