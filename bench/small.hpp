// SPDX-License-Identifier: Apache-2.0
// A small schema, as a server without phases would declare it: one histogram, classes of the status, one counter.
#pragma once

#include <cstddef>
#include <cstdint>

#include "sluice/detail/slot.hpp"
#include "sluice/fine_buckets.hpp"
#include "sluice/http.hpp"
#include "sluice/recorder.hpp"
#include "sluice/schema.hpp"

namespace sluice::bench {

/// The measurements of one request.
struct Small {
  int status = 200;
  std::uint64_t duration_ns = kSinceBegin;
  std::uint64_t bytes = 0;
};

}  // namespace sluice::bench

namespace sluice {

template <>
inline constexpr auto schema<bench::Small> =
    fields(classes<http::kStatusClasses, http::status_class>("status_class", &bench::Small::status)
               .names("1xx", "2xx", "3xx", "4xx", "5xx"),
           histogram("request.duration", Unit::kNanoseconds, &bench::Small::duration_ns, buckets::kFine),
           counter("sent", Unit::kBytes, &bench::Small::bytes));

}  // namespace sluice

namespace sluice::bench {

/// The most bytes that a slot of this schema may have.
inline constexpr std::size_t kSmallSlotMost = 2048;
static_assert(sizeof(detail::Slot<detail::ProductionAtomics, Small>) <= kSmallSlotMost);

using SmallRecorder = Recorder<Small>;
using SmallWorker = Worker<Small>;

}  // namespace sluice::bench
