// SPDX-License-Identifier: Apache-2.0
#include "exemplar_memory.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "sluice/detail/policy.hpp"
#include "sluice/detail/seqlock.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1::detail {
namespace {

/// A trace in words, of which every value can be read.
struct TraceWords {
  std::array<std::uint64_t, 3> ids;
  std::uint64_t sampled;
};

/// An exemplar in words, of which every value can be read.
struct ExemplarWords {
  TraceWords trace;
  std::uint64_t value;
  std::uint64_t time_ns;
  std::uint64_t series;
};

TraceWords words_of(const Trace& trace) noexcept {
  TraceWords words{.ids = {}, .sampled = trace.sampled ? 1U : 0U};
  std::memcpy(words.ids.data(), trace.trace_id.data(), sizeof trace.trace_id);
  std::memcpy(&words.ids[2], trace.span_id.data(), sizeof trace.span_id);
  return words;
}

Trace trace_of(const TraceWords& words) noexcept {
  Trace trace{.sampled = words.sampled == 1};
  std::memcpy(trace.trace_id.data(), words.ids.data(), sizeof trace.trace_id);
  std::memcpy(trace.span_id.data(), &words.ids[2], sizeof trace.span_id);
  return trace;
}

}  // namespace

struct alignas(2 * kLine) ExemplarMemory::Slot {
  TraceWords trace;  ///< Trace of the request in flight. Read by the thread of the slot alone.
  std::array<Seqlock<ProductionAtomics, ExemplarWords>, RecorderOptions::kExemplarRanges> kept;  ///< By range.
};

ExemplarMemory::ExemplarMemory(const RecorderOptions& options, const SchemaInfo& schema)
    : from_ns_(options.exemplars_from_ns) {
  static_assert(sizeof(Slot) == 640, "docs/library.md says what exemplars take");
  if (from_ns_ == 0) return;
  if (options.event_loops) throw std::invalid_argument("a recorder of event loops has no exemplars");
  if (schema.measured_field == SchemaInfo::kNoField || !schema.fields[schema.measured_field].exists_in(options.mode)) {
    throw std::invalid_argument("exemplars need a histogram of the time from begin() to finish()");
  }
  if (schema.fields[schema.measured_field].unit == Unit::kMicroseconds) unit_ns_ = kNsPerUs;
  mapping_.emplace(os::whole_pages(options.threads * sizeof(Slot)));
}

void ExemplarMemory::recover() noexcept {
  if (mapping_ && mapping_->inherited()) mapping_->adopt();
}

ExemplarMemory::Slot& ExemplarMemory::slot(std::size_t i) const noexcept {
  return static_cast<Slot*>(mapping_->data())[i];
}

void ExemplarMemory::set_trace(std::size_t i, const Trace& trace) noexcept { slot(i).trace = words_of(trace); }

void ExemplarMemory::keep(std::size_t i, std::uint64_t duration_ns, std::uint32_t series, const Clock& clock) noexcept {
  if (duration_ns < from_ns_) return;
  Slot& own = slot(i);
  const auto range = static_cast<std::size_t>(std::bit_width(duration_ns / from_ns_) - 1);
  auto& place = own.kept[std::min(range, own.kept.size() - 1)];
  const ExemplarWords words{.trace = own.trace,
                            .value = duration_ns / unit_ns_,
                            .time_ns = static_cast<std::uint64_t>(clock.wall_ns()),
                            .series = series};
  place.store(words, sizeof words, place.own_sequence() + 2);
}

void ExemplarMemory::collect(std::size_t slots, const SeriesNames* names, std::vector<Exemplar>& to) const {
  to.clear();
  if (!mapping_) return;
  for (std::size_t i = 0; i < slots; ++i) {
    for (const auto& place : slot(i).kept) {
      ExemplarWords words;
      if (place.load(words) == 0) continue;
      const auto number = static_cast<std::uint32_t>(words.series);
      const bool is_known = names == nullptr ? number == 0 : names->knows(number);
      to.push_back({.trace = trace_of(words.trace),
                    .value = words.value,
                    .time_ns = static_cast<std::int64_t>(words.time_ns),
                    .series = Series(is_known           ? number
                                     : names == nullptr ? 0
                                                        : SeriesNames::kOverflow,
                                     names != nullptr ? names->owner() : 0)});
    }
  }
}

}  // namespace sluice::detail
