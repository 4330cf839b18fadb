// SPDX-License-Identifier: Apache-2.0
// The recorder: worker threads record whole requests into their own slots, readers drain coherent windows. Recording is
// wait-free and takes no lock; the argument is in docs/memory-model.md. A schema defines what is recorded of a
// request: see schema.hpp, and http.hpp for one that servers can use as it is.
//
//   sluice::Recorder<Call> recorder({.threads = 8});
//   sluice::Reader reader = recorder.add_reader();
//   sluice::Worker<Call> worker = recorder.attach();          // once a thread
//   sluice::Request<Call> request = worker.begin();           // for each request
//   request.finish({.code = 0, .bytes = 120});                // its duration is from begin() to here
//   sluice::Result<sluice::Window> window = reader.drain();   // on any other thread
#pragma once

#include <atomic>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

#include "sluice/clock.hpp"
#include "sluice/detail/memory_layout.hpp"
#include "sluice/detail/overflow_counters.hpp"
#include "sluice/detail/request_place.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/recorder_options.hpp"
#include "sluice/schema_info.hpp"
#include "sluice/series.hpp"
#include "sluice/status.hpp"
#include "sluice/totals.hpp"
#include "sluice/trace.hpp"
#include "sluice/window.hpp"

namespace sluice::inline v0_1 {
namespace detail {
struct RecorderMemory;   // The mapping that workers write and that a forked child finds zeroed.
class DrainCoordinator;  // The state of drains, behind a mutex.
}  // namespace detail

/// \defgroup record_api Record
/// Measure requests: a recorder for the process, a worker for each thread, a request for each unit of work.
/// @{

template <class T>
class Recorder;
template <class T>
class Worker;
class RecorderBase;

namespace detail {

/// The part of a worker that all schemas share.
class WorkerBase {
 public:
  /// Returns the number of the slot, from 0. A worker without a slot has that of the last.
  [[nodiscard]] std::size_t slot() const noexcept { return slot_index_; }
  /// Returns true if the worker has a slot.
  [[nodiscard]] bool has_slot() const noexcept { return slot_ != nullptr; }

 protected:
  friend class sluice::RecorderBase;
  /// Returns the number of a series in this recorder: of the overflow series for a foreign one, 0 without series.
  [[nodiscard]] std::uint32_t number_of(Series series) const noexcept {
    const bool is_own = series.number() <= series_size_ && series.is_of(series_owner_);
    return is_own ? series.number() : (series_size_ == 0 ? 0U : 1U);
  }

  WorkerBase() noexcept = default;
  WorkerBase(WorkerBase&& other) noexcept { swap(other); }
  WorkerBase& operator=(WorkerBase&& other) noexcept {
    WorkerBase(std::move(other)).swap(*this);
    return *this;
  }
  ~WorkerBase();

  void swap(WorkerBase& other) noexcept;
  /// Returns the block of series of a stripe of the overflow counters.
  [[nodiscard]] std::byte* overflow_series(std::size_t stripe) const noexcept;
  [[nodiscard]] const Clock& clock() const noexcept { return clock_ != nullptr ? *clock_ : system_clock(); }
  /// Begins a request that begin() cannot begin inline: in the overflow counters, or in a slot that a fork has taken
  /// from this worker. Returns where it is.
  [[nodiscard, gnu::cold]] OverflowPlace begin_elsewhere(std::uint64_t now_ns) noexcept;
  /// Ends a request without recording it.
  [[gnu::cold]] void cancel(std::uint64_t start_ns, OverflowPlace overflow) const noexcept;
  /// Sets the trace of a request in flight, and returns where the request is from then on.
  [[nodiscard, gnu::cold]] OverflowPlace set_trace(const Trace& trace, std::uint64_t start_ns,
                                                   OverflowPlace overflow) const noexcept;
  /// Keeps the request of the slot that has just ended as an exemplar, if it was slow.
  [[gnu::cold]] void keep_exemplar(std::uint64_t duration_ns, std::uint32_t series) const noexcept;
  /// Removes the start of a request from the table of those in flight, if it is there.
  void end_tracking(OverflowPlace overflow) const noexcept;

  RecorderBase* recorder_ = nullptr;
  std::byte* series_ = nullptr;                    ///< The series of the slot; null if there are none.
  SlotHeader<ProductionAtomics>* slot_ = nullptr;  ///< The slot; null when all requests go to overflow counters.
  const Epoch<ProductionAtomics>* epoch_ = nullptr;
  const UncollectedExtremes<ProductionAtomics>* uncollected_ = nullptr;
  OverflowControl<StdAtomics>* overflow_ = nullptr;
  const Clock* clock_ = nullptr;
  std::size_t slot_index_ = 0;
  std::uint32_t owned_ = 0;  ///< State of the slot while it belongs to this worker.
  std::uint32_t series_size_ = 0;
  std::uint32_t series_owner_ = 0;  ///< Owner of the numbers of series.
  std::uint8_t mode_ = 0;
  bool asymmetric_ = false;
  bool own_memory_ = false;  ///< True if the recorder mapped its memory. Others may write into memory that was given.
};

}  // namespace detail

/// One request in flight. Move-only. A request that is destroyed without finish() or cancel() is recorded as
/// `abandoned<T>`. Must not outlive its Worker, which must not be moved meanwhile. A request begun before a fork
/// belongs to the parent: the child's copy records nothing.
template <class T>
class Request {
 public:
  /// Makes a request of no worker, to be assigned to. Its members do nothing.
  Request() noexcept = default;
  /// Takes over a request.
  Request(Request&& other) noexcept
      : worker_(std::exchange(other.worker_, nullptr)), start_ns_(other.start_ns_), where_(other.where_) {}
  /// Takes over another request, after this one was recorded as the destructor would.
  Request& operator=(Request&& other) noexcept {
    if (this == &other) return *this;
    if (worker_ != nullptr) abandon();
    worker_ = std::exchange(other.worker_, nullptr);
    start_ns_ = other.start_ns_;
    where_ = other.where_;
    return *this;
  }
  ~Request() {
    if (worker_ != nullptr) abandon();
  }

  /// Records the request as ending now. Durations whose default is kSinceBegin, and that are so, are from begin() to
  /// now. Later calls do nothing. Wait-free; no allocation, and no system call but for the clock. Lock-free for a
  /// request without a slot.
  void finish(const T& done) noexcept;

  /// Records the request as ending at `now_ns`, in monotonic nanoseconds of the recorder's clock.
  void finish(const T& done, std::uint64_t now_ns) noexcept;

  /// Ends the request without recording it, because another process will serve it. Windows that ended meanwhile keep
  /// its part of their busy time, and the slot's next request is given that much less. Later calls do nothing.
  /// Wait-free; lock-free for a request without a slot.
  void cancel() noexcept {
    if (worker_ != nullptr) std::exchange(worker_, nullptr)->cancel(start_ns_, where_.overflow);
  }

  /// Sets the series that counts the request, such as that of a route which is known once the request has begun.
  void set_series(Series series) noexcept {
    if (worker_ != nullptr) where_.series = worker_->number_of(series);
  }

  /// Says to which trace the request belongs, so that windows have it as an exemplar if it is slow, see
  /// RecorderOptions::exemplars_from_ns. A later call replaces the trace; ids that are all zeros remove it. Does
  /// nothing for a recorder that keeps no exemplars, and for a request that is not in a slot. A request with a trace
  /// executes a full fence when it ends. Wait-free; allocates nothing.
  void set_trace(const Trace& trace) noexcept {
    if (worker_ != nullptr) where_.overflow = worker_->set_trace(trace, start_ns_, where_.overflow);
  }

  /// Returns the instant at which the request began, in monotonic nanoseconds.
  [[nodiscard]] std::uint64_t start_ns() const noexcept { return start_ns_; }
  /// Returns true if the request is in the worker's slot, and false if it is counted by overflow counters.
  [[nodiscard]] bool in_slot() const noexcept { return detail::RequestPlace::is_slot(where_.overflow); }

 private:
  friend class Worker<T>;
  Request(Worker<T>* worker, std::uint64_t start_ns, detail::OverflowPlace overflow) noexcept
      : worker_(worker), start_ns_(start_ns), where_{.overflow = overflow} {}
  [[gnu::always_inline]] void abandon() noexcept { std::exchange(worker_, nullptr)->abandon(start_ns_, where_); }

  Worker<T>* worker_ = nullptr;
  std::uint64_t start_ns_ = 0;
  detail::RequestPlace where_{};
};

/// The right of a thread to record in one slot. Used by one thread at a time, unless attach_shared() returned it.
/// Move-only; not to be moved while a request is in flight, which debug builds assert where memory is not given. The
/// destructor gives the slot back, and the counts stay. Must not outlive the Recorder. In a forked child a worker
/// claims its slot again, or uses the overflow counters.
template <class T>
class Worker : public detail::WorkerBase {
 public:
  /// Makes a worker of no recorder, to be assigned to. What it begins is not recorded.
  Worker() noexcept = default;
  /// Takes over a worker.
  Worker(Worker&& other) noexcept : detail::WorkerBase(std::move(other)) { assert(is_idle()); }
  /// Gives the slot back and takes over another worker.
  Worker& operator=(Worker&& other) noexcept {
    assert(is_idle() && other.is_idle());
    detail::WorkerBase::operator=(std::move(other));
    return *this;
  }
  ~Worker() = default;

  /// Begins a request now. A request that begins while another one of this worker is in flight, or on a worker without
  /// a slot, is counted by overflow counters: all its fields are recorded, but its time in flight shows only once it
  /// has ended. Wait-free; lock-free for a request without a slot. In a forked child that has not used the recorder
  /// before it allocates, and may wait for another thread that does the same.
  [[nodiscard]] Request<T> begin() noexcept { return begin(clock().monotonic_ns()); }

  /// Begins a request at `now_ns`, in monotonic nanoseconds of the recorder's clock.
  [[nodiscard]] Request<T> begin(std::uint64_t now_ns) noexcept;

  /// Begins a request of a series of the recorder. A request of a series of another recorder is counted in the
  /// overflow series.
  [[nodiscard]] Request<T> begin(Series series) noexcept { return begin(series, clock().monotonic_ns()); }

  /// Begins a request of a series of the recorder at `now_ns`.
  [[nodiscard]] Request<T> begin(Series series, std::uint64_t now_ns) noexcept {
    Request<T> request = begin(now_ns);
    request.set_series(series);
    return request;
  }

 private:
  friend class Recorder<T>;
  friend class Request<T>;

  [[nodiscard]] bool is_idle() const noexcept {
    return slot_ == nullptr || !own_memory_ || slot_->state.load(std::memory_order_relaxed) != owned_ ||
           slot_->start_ns.load(std::memory_order_relaxed) == 0;
  }
  [[nodiscard]] detail::RecordTarget<detail::ProductionAtomics, T> target() const noexcept {
    return {.slot = reinterpret_cast<detail::Slot<detail::ProductionAtomics, T>*>(slot_),
            .epoch = epoch_,
            .uncollected = uncollected_,
            .mode = mode_};
  }
  /// Ends a request. Inlined, so that neither the request nor its measurements have to be stored in memory for a call.
  [[gnu::always_inline]] void finish(const T& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                     detail::RequestPlace where) const noexcept;
  /// Ends a request that finish() cannot end inline: in a series, in the overflow counters, or in a slot with a full
  /// fence.
  [[gnu::noinline]] void finish_elsewhere(const T& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                          detail::RequestPlace where) const noexcept;
  /// Ends a request in the slot that has a trace.
  [[gnu::cold, gnu::noinline]] void finish_traced(const T& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                                  std::uint32_t series) const noexcept;
  [[nodiscard]] detail::SeriesWriter<detail::ProductionAtomics, T> series_writer(
      detail::RequestPlace where) const noexcept {
    return {series_, where.series};
  }
  /// Ends a request that was destroyed. Takes its members by value, so that it needs no place in memory.
  [[gnu::cold, gnu::noinline]] void abandon(std::uint64_t start_ns, detail::RequestPlace where) const noexcept {
    finish(abandoned<T>, start_ns, clock().monotonic_ns(), where);
  }
};

/// @}

/// \addtogroup read_api
/// @{

/// One consumer of windows, which has each request once and takes none from another. Thread-safe, move-only; the
/// destructor unregisters it. Must not outlive the Recorder. In a forked child it has the requests of the child.
class Reader {
 public:
  /// Makes a reader of no recorder, to be assigned to.
  Reader() noexcept = default;
  /// Takes over a reader.
  Reader(Reader&& other) noexcept : recorder_(std::exchange(other.recorder_, nullptr)), id_(other.id_) {}
  /// Exchanges two readers, so that the other one unregisters this one when it ends.
  Reader& operator=(Reader&& other) noexcept {
    std::swap(recorder_, other.recorder_);
    std::swap(id_, other.id_);
    return *this;
  }
  ~Reader();

  /// Returns the window since this reader's last drain, or since it was added. Callers on several threads get disjoint
  /// windows. Blocks on other drains and, for at most 2 ms a cut, on writers that were preempted inside a record; never
  /// on a request in flight. Costs a membarrier() call and a look at each slot in use.
  /// \return Unavailable if the kernel refuses a barrier that it granted before. Nothing is lost: the next call returns
  ///         a window that begins where this one would have. FailedPrecondition for a reader of no recorder.
  /// \throws std::bad_alloc Nothing is lost either.
  [[nodiscard]] Result<Window> drain();

  /// Does the same into a window of the caller's, whose memory is used again. Leaves it unchanged on an error.
  [[nodiscard]] Status drain(Window& window);
  /// Takes back the window of the last drain, so that the next one begins with it, if there is memory for its series.
  void give_back(const Window& window) noexcept;

 private:
  friend class RecorderBase;
  Reader(RecorderBase* recorder, std::uint64_t id) noexcept : recorder_(recorder), id_(id) {}

  RecorderBase* recorder_ = nullptr;
  std::uint64_t id_ = 0;
};

/// @}

/// \addtogroup record_api
/// @{

/// The part of a recorder that all schemas share. Thread-safe.
class RecorderBase {
 public:
  /// Settings of a recorder.
  using Options = RecorderOptions;

  RecorderBase(const RecorderBase&) = delete;
  RecorderBase& operator=(const RecorderBase&) = delete;

  /// Returns a new reader whose first window begins now. Blocks as Reader::drain() does.
  /// \throws std::bad_alloc
  [[nodiscard]] Reader add_reader();

  /// Returns totals since the recorder was made. Drains nothing. Blocks on drains.
  /// \throws std::bad_alloc
  [[nodiscard]] ProcessTotals totals();

  /// Returns the series of these labels, in whatever order, for requests from now on. Where RecorderOptions::series
  /// series exist already, others are counted together in a series with the label `otel.metric.overflow`, as are those
  /// that a SeriesSet does not have. A recorder without series counts them all without labels. Takes a lock, so a host
  /// resolves its series before it serves requests. \throws std::bad_alloc
  [[nodiscard]] Series series(Labels labels);
  /// Does the same for labels that are written where they are used.
  [[nodiscard]] Series series(std::initializer_list<Label> labels) {
    return series(Labels(labels.begin(), labels.size()));
  }

  /// Returns what is recorded.
  [[nodiscard]] const SchemaInfo& schema() const noexcept { return *layout_.schema; }
  /// Returns the number of the mode that was given.
  [[nodiscard]] std::uint8_t mode() const noexcept { return options_.mode; }
  /// Returns the number of worker slots.
  [[nodiscard]] std::size_t threads() const noexcept { return options_.threads; }
  /// Returns the source of time.
  [[nodiscard]] const Clock& clock() const noexcept { return *options_.clock; }
  /// Returns true if writers rely on membarrier() instead of a fence of their own.
  [[nodiscard]] bool asymmetric() const noexcept { return asymmetric_; }

 protected:
  /// Makes a recorder with the memory layout of a schema.
  RecorderBase(Options options, const detail::MemoryLayout& layout);
  ~RecorderBase();

  /// Sets the worker of Recorder::attach().
  void attach_any(detail::WorkerBase& worker);
  /// Sets the worker of Recorder::attach(slot).
  [[nodiscard]] Status attach_to(std::size_t slot, detail::WorkerBase& worker);
  /// Sets the worker of Recorder::attach_shared().
  void attach_to_none(detail::WorkerBase& worker);

 private:
  friend class Reader;
  friend class detail::WorkerBase;
  static std::shared_ptr<detail::SeriesNames> names_for(const Options& options);
  detail::WorkerBase worker_at(std::size_t slot, std::uint32_t owned) noexcept;
  bool claim(std::size_t slot, std::uint32_t owned) noexcept;
  void release(std::size_t slot, std::uint32_t owned) noexcept;
  detail::OverflowPlace begin_overflow(std::uint64_t now_ns) noexcept;
  void cancel_overflow() noexcept;
  std::uint32_t next_number() noexcept { return next_number_.fetch_add(1, std::memory_order_relaxed); }  // only unique
  detail::DrainCoordinator& coordinator();
  void remove_reader(std::uint64_t id) noexcept;
  void recover_from_fork();

  Options options_;
  const detail::MemoryLayout layout_;
  bool asymmetric_;
  std::unique_ptr<detail::RecorderMemory> memory_;
  /// Labels of the series; null without series. A forked child replaces it.
  std::shared_ptr<detail::SeriesNames> names_;
  /// Numbers claims, readers and overflow counters. A forked child continues the sequence of its parent, so that
  /// nothing made before the fork is taken for something made after it.
  std::atomic<std::uint32_t> next_number_{1};
  /// Owned. A forked child leaks the coordinator of its parent, whose mutex and lists may be torn.
  std::atomic<detail::DrainCoordinator*> coordinator_;
};

/// The metrics of one process, of the schema of T. Thread-safe. After fork() the child's recorder is empty and the
/// parent's is untouched, and both go on; this holds for memory that was given, too, unless the child was made by the
/// bare system call. Must outlive its workers, requests and readers.
template <class T>
class Recorder : public RecorderBase {
 public:
  /// Returns the size of the memory for `threads` worker slots and `series` series, in whole pages.
  [[nodiscard]] static std::size_t memory_bytes(std::size_t threads, std::size_t series = 0) noexcept {
    return detail::memory_bytes(detail::kMemoryLayout<T>, threads, series);
  }

  /// Makes a recorder. Registers the process with membarrier(), if the kernel has it.
  /// \throws std::invalid_argument for options that cannot be used, which docs/errors.md lists.
  /// \throws std::bad_alloc if memory for the slots cannot be reserved.
  explicit Recorder(Options options) : RecorderBase(options, detail::kMemoryLayout<T>) {}
  ~Recorder() = default;

  /// Returns a worker for the calling thread, with the lowest free slot, or without a slot if all are taken or the
  /// threads are event loops. Lock-free, except in a forked child that has not used the recorder before. Takes the same
  /// time for a thousand slots as for ten. \throws std::bad_alloc in such a child, as do the other members that use the
  /// recorder first.
  [[nodiscard]] Worker<T> attach() {
    Worker<T> worker;
    attach_any(worker);
    return worker;
  }

  /// Returns a worker with the slot that the caller names, from 0. Lock-free as attach() is.
  /// \return OutOfRange if there is no such slot, as for event loops; AlreadyExists if a worker has it.
  [[nodiscard]] Result<Worker<T>> attach(std::size_t slot) {
    Worker<T> worker;
    if (const Status status = attach_to(slot, worker); !status.ok()) return status;
    return worker;
  }

  /// Returns a worker for requests that belong to no thread. Any number of threads may use it at the same time, any
  /// number of its requests may be in flight, and each may be finished by another thread than the one that began it.
  /// They are counted by overflow counters: lock-free, with atomic additions. Lists by slot show them with the last
  /// slot in use.
  [[nodiscard]] Worker<T> attach_shared() {
    Worker<T> worker;
    attach_to_none(worker);
    return worker;
  }
};

/// @}

template <class T>
inline Request<T> Worker<T>::begin(std::uint64_t now_ns) noexcept {
  if (slot_ != nullptr &&
      slot_->state.load(std::memory_order_relaxed) == owned_ &&           // own store, unless a fork wiped it
      slot_->start_ns.load(std::memory_order_relaxed) == 0) [[likely]] {  // own store
    slot_->begin(now_ns);
    return {this, now_ns, {}};
  }
  return {this, now_ns, begin_elsewhere(now_ns)};
}

template <class T>
inline void Request<T>::finish(const T& done) noexcept {
  if (worker_ != nullptr) finish(done, worker_->clock().monotonic_ns());
}

template <class T>
[[gnu::always_inline]] inline void Request<T>::finish(const T& done, std::uint64_t now_ns) noexcept {
  if (worker_ != nullptr) std::exchange(worker_, nullptr)->finish(done, start_ns_, now_ns, where_);
}

template <class T>
[[gnu::always_inline]] inline void Worker<T>::finish(const T& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                                     detail::RequestPlace where) const noexcept {
  if (!where.is_plain() || !asymmetric_) [[unlikely]] {
    if (where.overflow.id != 0 || !asymmetric_) return finish_elsewhere(done, start_ns, now_ns, where);
    if (slot_->start_ns.load(std::memory_order_relaxed) != start_ns) return;  // begun before a fork
    detail::record<detail::AsymmetricFence>(target(), start_ns, now_ns, done, series_writer(where));
    return;
  }
  if (slot_->start_ns.load(std::memory_order_relaxed) != start_ns) return;  // begun before a fork
  detail::record<detail::AsymmetricFence>(target(), start_ns, now_ns, done);
}

template <class T>
void Worker<T>::finish_elsewhere(const T& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                 detail::RequestPlace where) const noexcept {
  if (where.overflow.id != 0) {
    if (overflow_ == nullptr || overflow_->id() != where.overflow.id) {  // unknown here, begun before a fork, or traced
      if constexpr (detail::has_exemplars<T>()) {
        if (where.overflow.id == detail::RequestPlace::kTraced) finish_traced(done, start_ns, now_ns, where.series);
      }
      return;
    }
    if (where.overflow.tracked != detail::OverflowPlace::kNotAsked) end_tracking(where.overflow);
    auto* const counters = reinterpret_cast<detail::OverflowCounters<T>*>(overflow_);
    const std::size_t stripe = detail::overflow_stripe();
    const std::uint64_t duration_ns = now_ns > start_ns ? now_ns - start_ns : 0;
    if (where.series == 0) {
      counters->record(stripe, duration_ns, done, mode_);
    } else {
      using Select = detail::OverflowSeriesWriter<detail::StdAtomics, detail::SharedCounter, T>;
      counters->record(stripe, duration_ns, done, mode_, Select(overflow_series(stripe), series_size_, where.series));
    }
    return;
  }
  if (slot_->start_ns.load(std::memory_order_relaxed) != start_ns) return;  // begun before a fork
  if (where.series == 0) {
    detail::record<detail::SymmetricFence>(target(), start_ns, now_ns, done);
  } else {
    detail::record<detail::SymmetricFence>(target(), start_ns, now_ns, done, series_writer(where));
  }
}

/// Records through finish_elsewhere(), whose full fence is at least as strong as the light one. The exemplar comes
/// last, so that a drain which copies it counts the request.
template <class T>
void Worker<T>::finish_traced(const T& done, std::uint64_t start_ns, std::uint64_t now_ns,
                              std::uint32_t series) const noexcept {
  if (slot_->start_ns.load(std::memory_order_relaxed) != start_ns) return;  // begun before a fork
  finish_elsewhere(done, start_ns, now_ns, {.overflow = {}, .series = series});
  keep_exemplar(detail::measured_ns(done, now_ns > start_ns ? now_ns - start_ns : 0), series);
}

}  // namespace sluice
