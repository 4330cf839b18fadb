// SPDX-License-Identifier: Apache-2.0
// Series of several processes: the parent resolves the sets of labels before it forks, so that a number means the same
// series in all processes, and no text is read from memory that another process can write.
//
//   parent   SeriesSet<Call> series(64);
//            const Series get = series.add({{"method", "GET"}, {"route", "/users/{id}"}});
//            Registry registry = Registry::of<Call>(state, series);                       // then as in registry.hpp
//   child    Recorder<Call> recorder({.threads = 2, .series_set = &series, .memory = registry.enter(*slot)});
//            worker.begin(get).finish({.code = 0});
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "sluice/labels.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/series.hpp"

namespace sluice::inline v0_1 {

class Registry;
class RecorderBase;

/// \addtogroup processes_api
/// @{

/// The part of a set that all schemas share.
class SeriesSetBase {
 public:
  SeriesSetBase(const SeriesSetBase&) = delete;
  SeriesSetBase& operator=(const SeriesSetBase&) = delete;

  /// Returns the series of these labels, in whatever order. Where most() series exist already, others are counted
  /// together, in a series with the label `otel.metric.overflow`, which is `true`. A process whose slot was
  /// reserved before the call does not have a new series: what it counts there belongs to that series, too. In a forked
  /// process that has called Registry::isolate_to() or Registry::enter(), labels that the set does not have belong to
  /// that series, too. For the parent, on one thread. \throws std::bad_alloc
  [[nodiscard]] Series add(Labels labels);
  /// Does the same for labels that are written where they are used.
  [[nodiscard]] Series add(std::initializer_list<Label> labels) { return add(Labels(labels.begin(), labels.size())); }

  /// Returns the greatest number of series.
  [[nodiscard]] std::size_t most() const noexcept { return most_; }
  /// Returns what is recorded.
  [[nodiscard]] const SchemaInfo& schema() const noexcept { return schema_; }

 protected:
  /// Makes a set for a schema.
  SeriesSetBase(const SchemaInfo& schema, std::size_t most);
  ~SeriesSetBase() = default;

 private:
  friend class Registry;
  friend class RecorderBase;

  /// Where the parent keeps the counts of a group's ended processes, as it writes them and as readers map them.
  struct RetiredMemory {
    std::span<std::byte> writable;
    std::span<const std::byte> readable;
  };

  /// Gives up the memory that a forked process does not write, or does not read either, and takes no more labels.
  void close(bool reads) noexcept;

  const SchemaInfo& schema_;
  std::size_t most_;
  std::shared_ptr<detail::SeriesNames> names_;
  /// By group of the registry, with an entry for each that there may be: other threads read while the parent adds one.
  std::vector<RetiredMemory> retired_;
  std::atomic<std::uint32_t> groups_{0};  ///< Number of groups that have memory. Only the parent stores it.
};

namespace detail {

/// Returns true if the field has each request once, in its classes or buckets.
constexpr bool counts_each_request(const FieldInfo& field) noexcept {
  return field.kind == FieldKind::kClasses || field.kind == FieldKind::kHistogram;
}

/// Returns true if a schema has such a field in each mode.
template <class T>
constexpr bool counts_requests() noexcept {
  unsigned modes = 0;
  for (const FieldInfo& field : schema_info<T>.fields) modes |= counts_each_request(field) ? field.modes : 0U;
  return modes == (1U << kModes) - 1;
}

}  // namespace detail

/// The series of the processes of one registry, which record the schema of T. The parent makes it before the registry
/// and keeps it for as long as the state of the registry, whose shared memory stays mapped; forked processes have
/// copies.
template <class T>
class SeriesSet : public SeriesSetBase {
 public:
  static_assert(detail::counts_requests<T>(),
                "series of several processes need a field of classes or a histogram in each mode of the schema");

  /// Makes a set for at most `most` series, from 1 on. A series takes address space for each worker slot and for each
  /// process group, and memory from its first request on.
  /// \throws std::invalid_argument if `most` is 0 or above RecorderOptions::kSeriesMost.
  /// \throws std::bad_alloc
  explicit SeriesSet(std::size_t most) : SeriesSetBase(schema_info<T>, most) {}
};

/// @}

}  // namespace sluice
