// SPDX-License-Identifier: Apache-2.0
// The schemas that the models record: a small one, and the eight phases. For each, the requests of a scenario, and what
// they must add to a window, written here a second time and without the templates under test.
#pragma once

#include "relacy_atomics.hpp"
// The code under test must be included after Relacy's atomics, which remove its macros.
#include "adapters/wsgi/schema/completion.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/window.hpp"

namespace sluice::models {

/// A set of requests, one bit each.
using Requests = std::uint64_t;

/// The small schema: one field of each kind. Waits exist in the second mode only, behind all other fields.
struct Call {
  int code = 0;
  std::uint64_t duration_ns = kSinceBegin;
  std::uint64_t bytes = 0;
  Observations waits = {};
};

inline constexpr std::array<std::uint64_t, 5> kCallBounds{4, 16, 64, 1024, 65536};

}  // namespace sluice::models

namespace sluice {

template <>
inline constexpr auto schema<models::Call> =
    fields(classes<3>("code", &models::Call::code),
           histogram("duration", Unit::kNanoseconds, &models::Call::duration_ns, bounded_by<models::kCallBounds>),
           counter("sent", Unit::kBytes, &models::Call::bytes).by_slot(),
           maximum("longest", Unit::kNanoseconds, kElapsed).by_slot(),
           histogram("wait", Unit::kNanoseconds, &models::Call::waits, bounded_by<models::kCallBounds>).only_in(1));

}  // namespace sluice

namespace sluice::models {

/// The contribution of one request to a field: to its sum, and, if `smallest <= largest`, to its extremes. For classes
/// `sum` is the index.
struct Amount {
  constexpr Amount(std::uint64_t value) : sum(value), smallest(value), largest(value) {}  // NOLINT: a plain value
  constexpr Amount(const Observations& all, std::uint64_t unit)
      : sum(all.total / unit), smallest(all.count == 0 ? UINT64_MAX : all.min / unit), largest(all.max / unit) {}

  std::uint64_t sum;
  std::uint64_t smallest;
  std::uint64_t largest;
};

/// The requests of a schema. The sum of the field kTells tells which requests are in a window.
template <class T>
struct Sample;

// Requests differ in every field, and later ones are longer, so that extremes of another window are too small or too
// large.

template <>
struct Sample<Call> {
  static constexpr const char* kName = "small";
  static constexpr std::size_t kTells = 2;

  static Call request(std::size_t n) {
    Call call{.code = static_cast<int>(n % 4), .bytes = std::uint64_t{1} << n};
    if (n % 2 == 0) call.duration_ns = std::uint64_t{3} << n;
    for (std::size_t i = 0; i < n % 3; ++i) call.waits.add((std::uint64_t{5} << n) + i);
    return call;
  }
  static Call weighing(std::uint64_t weight) { return {.bytes = weight}; }

  /// Returns what a request adds to each field, in the order of the schema.
  static std::array<Amount, 5> amounts(const Call& call, std::uint64_t elapsed_ns) {
    return {std::uint64_t(call.code < 3 ? call.code : 2),
            call.duration_ns != kSinceBegin ? call.duration_ns : elapsed_ns, call.bytes, elapsed_ns,
            Amount(call.waits, 1)};
  }
};

template <>
struct Sample<wsgi::Completion> {
  static constexpr const char* kName = "eight phases";
  static constexpr std::size_t kTells = 13;

  static wsgi::Completion request(std::size_t n) {
    wsgi::Completion done{.status = static_cast<int>(100 * (n % 5) + 100),
                          .server_us = std::uint64_t{1000} << n,
                          .application_us = std::uint64_t{700} << n,
                          .request_us = std::uint64_t{5000} << n,
                          .input_read_us = n,
                          .output_write_us = 3 * n,
                          .queue_us = std::uint64_t{20} << n,
                          .daemon_us = std::uint64_t{900} << n,
                          .cpu_ns = std::uint64_t{7} << n,
                          .input_bytes = std::uint64_t{3} << n,
                          .input_reads = 2,
                          .output_bytes = std::uint64_t{1} << n,
                          .output_writes = 3};
    for (std::size_t i = 0; i < n % 3; ++i) done.gil_waits.add((std::uint64_t{2500} << n) + 1000 * i);
    return done;
  }
  static wsgi::Completion weighing(std::uint64_t weight) { return {.output_bytes = weight}; }

  static std::array<Amount, 16> amounts(const wsgi::Completion& done, std::uint64_t elapsed_ns) {
    return {std::uint64_t(done.status / 100 - 1),
            done.server_us,
            done.application_us,
            done.request_us,
            done.input_read_us,
            done.output_write_us,
            Amount(done.gil_waits, 1000),
            done.queue_us,
            done.daemon_us,
            done.cpu_ns,
            done.gil_waits.count,
            done.input_bytes,
            done.input_reads,
            done.output_bytes,
            done.output_writes,
            elapsed_ns};
  }
};

/// Returns the requests in a window.
template <class T>
Requests told_by(const Window& window) {
  return window.sums[schema_info<T>.fields[Sample<T>::kTells].sum];
}

/// Adds a request of a slot to an expected window.
template <class T>
void add_expected(const T& done, std::uint64_t elapsed_ns, std::size_t slot, Window& window) {
  const auto amounts = Sample<T>::amounts(done, elapsed_ns);
  static_assert(std::tuple_size_v<decltype(amounts)> == detail::SchemaLayout<T>::kFields);
  ++window.request_count;
  ++window.slots[slot].completed;
  const auto widen = [&](std::size_t word, std::uint64_t value) {
    window.extremes[word] = std::max(window.extremes[word], value);
  };
  for (std::size_t i = 0; i < amounts.size(); ++i) {
    const FieldInfo& field = schema_info<T>.fields[i];
    const Amount& amount = amounts[i];
    if (!field.exists_in(window.mode)) continue;
    if (field.kind == FieldKind::kMaximum) widen(field.extreme, amount.sum);
    if (field.kind == FieldKind::kMaximum) continue;
    if (field.kind == FieldKind::kClasses) ++window.sums[field.sum + amount.sum];
    if (field.kind == FieldKind::kClasses) continue;
    window.sums[field.sum] += amount.sum;
    if (field.kind == FieldKind::kCounter) continue;
    const auto& bounds = field.buckets->bounds;
    const auto bound = std::upper_bound(bounds.begin(), bounds.end(), amount.sum);
    ++window.sums[field.buckets_at + static_cast<std::size_t>(bound - bounds.begin())];
    if (amount.smallest > amount.largest) continue;
    widen(field.extreme, amount.largest);
    widen(field.extreme + std::size_t{1}, ~amount.smallest);
  }
  std::uint64_t* value = &window.slot_values[slot * schema_info<T>.slot_fields.size()];
  for (const SlotField& by_slot : schema_info<T>.slot_fields) {
    const std::uint64_t one = amounts[by_slot.field].sum;
    *value = by_slot.extreme ? std::max(*value, one) : *value + one;
    ++value;
  }
}

}  // namespace sluice::models
