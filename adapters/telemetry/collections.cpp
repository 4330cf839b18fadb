// SPDX-License-Identifier: Apache-2.0
#include "adapters/telemetry/collections.hpp"

#include <utility>

namespace sluice::telemetry {

void CollectionLog::add(const CollectionEvent& event) noexcept {
  if (event.generation >= kGenerations) return;
  const std::lock_guard lock(mutex_);
  ++counters_.runs[event.generation];
  counters_.collected[event.generation] += event.collected;
  counters_.uncollectable[event.generation] += event.uncollectable;
  if (size_ == kKept) {
    ++dropped_;
  } else {
    events_[size_++] = event;
  }
}

void CollectionLog::update(const CollectionCounters& counters) noexcept {
  const std::lock_guard lock(mutex_);
  counters_.count = counters.count;
  counters_.threshold = counters.threshold;
  counters_.frozen = counters.frozen;
  counters_.enabled = counters.enabled;
  wants_update_.store(false, std::memory_order_relaxed);  // the counters are guarded by the mutex
}

void CollectionLog::begin_with(const CollectionCounters& counters) noexcept {
  const std::lock_guard lock(mutex_);
  counters_ = counters;
}

void CollectionLog::drain(Collections& into) {
  into.events.reserve(into.events.size() + kKept);
  const std::lock_guard lock(mutex_);
  for (std::size_t i = 0; i < kGenerations; ++i) {
    into.counters.count[i] += counters_.count[i];
    into.counters.runs[i] += counters_.runs[i];
    into.counters.collected[i] += counters_.collected[i];
    into.counters.uncollectable[i] += counters_.uncollectable[i];
  }
  into.counters.frozen += counters_.frozen;
  into.counters.enabled = into.counters.enabled && counters_.enabled;
  if (into.counters.threshold == CollectionCounters().threshold) into.counters.threshold = counters_.threshold;
  into.events.insert(into.events.end(), events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(size_));
  into.dropped += std::exchange(dropped_, 0);
  size_ = 0;
  wants_update_.store(true, std::memory_order_relaxed);  // a hint for the interpreter
}

CollectionLog& CollectionLogs::add() {
  const std::lock_guard lock(mutex_);
  return *logs_.emplace_back(std::make_unique<CollectionLog>());
}

Collections CollectionLogs::drain() {
  Collections collections;
  const std::lock_guard lock(mutex_);
  for (const std::unique_ptr<CollectionLog>& log : logs_) log->drain(collections);
  return collections;
}

}  // namespace sluice::telemetry
