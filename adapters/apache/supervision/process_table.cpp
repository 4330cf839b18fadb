// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/process_table.hpp"

#include <algorithm>
#include <iterator>

namespace sluice::apache {

int ProcessTable::find_free() const noexcept {
  const auto* const entry = std::find_if(std::begin(entries), std::end(entries),
                                         [](const ProcessEntry& candidate) { return candidate.pid == 0; });
  return entry != std::end(entries) ? static_cast<int>(entry - entries) : kNoEntry;
}

void clear(ProcessEntry& entry) noexcept {
  daemon::unmap_heartbeat(entry.heartbeat);
  entry = {};
}

}  // namespace sluice::apache
