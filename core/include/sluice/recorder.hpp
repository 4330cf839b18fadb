// SPDX-License-Identifier: Apache-2.0
// The recorder: worker threads record whole requests into their own slots, readers drain coherent windows. Recording is
// wait-free and takes no lock; the argument is in docs/memory-model.md.
//
//   sluice::Recorder recorder({.threads = 8});
//   sluice::Reader reader = recorder.add_reader();
//   sluice::Worker worker = recorder.attach();             // once a thread
//   sluice::Request request = worker.begin();              // for each request
//   request.finish({.status = 200, .application_us = 1500, .request_us = 1700});
//   absl::StatusOr<sluice::Window> window = reader.drain();  // on any other thread
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sluice/clock.hpp"
#include "sluice/completion.hpp"
#include "sluice/detail/overflow_counters.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/phase.hpp"
#include "sluice/recorder_options.hpp"
#include "sluice/slow_requests.hpp"
#include "sluice/timestamps.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice {
namespace detail {
struct RecorderMemory;   // The mapping that workers write and that a forked child finds zeroed.
class DrainCoordinator;  // The state of drains, behind a mutex.
}  // namespace detail

/// \defgroup record Record
/// Measure requests: a recorder for the process, a worker for each thread, a request for each unit of work.
/// @{

class Recorder;
class Worker;

/// One request in flight. Move-only. A request that is destroyed without finish() or cancel() is recorded as one that
/// never started a response (status 0). Must not outlive its Worker. A request begun before a fork belongs to the
/// parent: the child's copy records nothing.
class Request {
 public:
  /// Takes over a request.
  Request(Request&& other) noexcept
      : worker_(std::exchange(other.worker_, nullptr)), start_ns_(other.start_ns_), overflow_id_(other.overflow_id_) {}
  Request& operator=(Request&&) = delete;
  ~Request() {
    if (worker_ != nullptr) abandon();
  }

  /// Records the request as ending now. Later calls do nothing. Wait-free; no allocation, and no system call but for
  /// the clock. Lock-free for a request without a slot.
  void finish(const Completion& done) noexcept;

  /// Records the request as ending at `now_ns`, in monotonic nanoseconds of the recorder's clock.
  void finish(const Completion& done, std::uint64_t now_ns) noexcept;

  /// Ends the request without recording it, because another process will serve it. Windows that ended meanwhile keep
  /// its part of their busy time, and the slot's next request is given that much less. Later calls do nothing.
  /// Wait-free; lock-free for a request without a slot.
  void cancel() noexcept {
    if (worker_ != nullptr) cancel_at(*std::exchange(worker_, nullptr));
  }

  /// Returns the instant at which the request began, in monotonic nanoseconds.
  [[nodiscard]] std::uint64_t start_ns() const noexcept { return start_ns_; }
  /// Returns true if the request is in the worker's slot, and false if it is counted by overflow counters.
  [[nodiscard]] bool in_slot() const noexcept { return overflow_id_ == 0; }

 private:
  friend class Worker;
  Request(Worker* worker, std::uint64_t start_ns, std::uint32_t overflow_id) noexcept
      : worker_(worker), start_ns_(start_ns), overflow_id_(overflow_id) {}
  void abandon() noexcept;
  [[gnu::cold]] void cancel_at(const Worker& worker) const noexcept;

  Worker* worker_;
  std::uint64_t start_ns_;
  std::uint32_t overflow_id_;  ///< Id of its overflow counters; 0: in the worker's slot.
};

/// The right of a thread to record in one slot. Used by one thread at a time, unless attach_shared() returned it.
/// Move-only; not to be moved while a request is in flight. The destructor gives the slot back, and the counts stay.
/// Must not outlive the Recorder. In a forked child a worker claims its slot again, or uses the overflow counters.
class Worker {
 public:
  /// Makes a worker of no recorder, to be assigned to.
  Worker() noexcept = default;
  /// Takes over a worker.
  Worker(Worker&& other) noexcept { swap(other); }
  /// Gives the slot back and takes over another worker.
  Worker& operator=(Worker&& other) noexcept {
    Worker(std::move(other)).swap(*this);
    return *this;
  }
  ~Worker();

  /// Begins a request now. A request that begins while another one of this worker is in flight, or on a worker without
  /// a slot, is counted by overflow counters: all its fields are recorded, but its time in flight shows only once it
  /// has ended. Wait-free; lock-free for a request without a slot.
  [[nodiscard]] Request begin() noexcept;

  /// Begins a request at `now_ns`, in monotonic nanoseconds of the recorder's clock.
  [[nodiscard]] Request begin(std::uint64_t now_ns) noexcept;

  /// Returns the number of the slot, from 0. A worker without a slot has that of the last.
  [[nodiscard]] std::size_t slot() const noexcept { return slot_index_; }
  /// Returns true if the worker has a slot.
  [[nodiscard]] bool has_slot() const noexcept { return target_.slot != nullptr; }

 private:
  friend class Recorder;
  friend class Request;
  void swap(Worker& other) noexcept;
  /// Begins a request that begin() cannot begin inline: in the overflow counters, or in a slot that a fork has taken
  /// from this worker. Returns the id of the overflow counters; 0: in the slot.
  [[nodiscard, gnu::cold]] std::uint32_t begin_elsewhere(std::uint64_t now_ns) noexcept;
  /// Ends a request that finish() cannot end inline: in the overflow counters, or in a slot with a full fence.
  [[gnu::noinline]] void finish_elsewhere(const Completion& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                          std::uint32_t overflow_id) const noexcept;
  /// Ends a request that was destroyed.
  [[gnu::cold]] void abandon(std::uint64_t start_ns, std::uint32_t overflow_id) noexcept;

  Recorder* recorder_ = nullptr;
  detail::RecordTarget<detail::ProductionAtomics> target_;  ///< Without a slot: all requests go to overflow counters.
  detail::OverflowCounters* overflow_ = nullptr;
  const Clock* clock_ = nullptr;
  std::size_t slot_index_ = 0;
  std::uint32_t owned_ = 0;  ///< State of the slot while it belongs to this worker.
  bool asymmetric_ = false;
};

/// @}

/// \addtogroup read
/// @{

/// One consumer of windows. Each reader sees every request once, in its own windows; none takes anything from another.
/// Thread-safe. Move-only; the destructor unregisters it. Must not outlive the Recorder. In a forked child its windows
/// begin anew, with the requests of the child.
class Reader {
 public:
  /// Takes over a reader.
  Reader(Reader&& other) noexcept : recorder_(std::exchange(other.recorder_, nullptr)), id_(other.id_) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader();

  /// Returns the window since this reader's last drain, or since it was added. Callers on several threads get disjoint
  /// windows. Blocks on other drains and, for at most 2 ms a cut, on writers that were preempted inside a record; never
  /// on a request in flight. Costs a membarrier() call and a look at each slot in use. \return Unavailable if the
  /// kernel refuses a barrier that it granted before. Nothing is lost: the next call returns a
  ///         window that begins where this one would have.
  /// \throws std::bad_alloc Nothing is lost either.
  [[nodiscard]] absl::StatusOr<Window> drain();

  /// Does the same into a window of the caller's, whose memory is used again. Leaves it unchanged on an error.
  [[nodiscard]] absl::Status drain(Window& window);

 private:
  friend class Recorder;
  Reader(Recorder* recorder, std::uint64_t id) noexcept : recorder_(recorder), id_(id) {}

  Recorder* recorder_;
  std::uint64_t id_;
};

/// @}

/// \addtogroup record
/// @{

/// The metrics of one process. Thread-safe. After fork() the child's recorder is empty and the parent's is untouched,
/// and both go on; this holds for memory that was given, too, unless the child was made by the bare system call. Must
/// outlive its workers, requests and readers.
class Recorder {
 public:
  /// Settings of a recorder.
  using Options = RecorderOptions;

  /// Returns the size of the memory for so many worker slots, in whole pages.
  [[nodiscard]] static std::size_t memory_bytes(std::size_t threads) noexcept;

  /// Makes a recorder. Registers the process with membarrier(), if the kernel has it.
  /// \throws std::invalid_argument if there are no threads, or the memory is too small or not of whole pages.
  /// \throws std::bad_alloc if memory for the slots cannot be reserved.
  explicit Recorder(Options options);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder();

  /// Returns a worker for the calling thread, with the lowest free slot, or without a slot if all are taken. Lock-free,
  /// except in a forked child that has not used the recorder before. Takes the same time for a thousand slots as for
  /// ten.
  /// \throws std::bad_alloc in such a child, as do the other members that use the recorder first.
  [[nodiscard]] Worker attach();

  /// Returns a worker with the slot that the caller names, from 0. Lock-free as attach() is.
  /// \return OutOfRange if there is no such slot; AlreadyExists if a worker has it.
  [[nodiscard]] absl::StatusOr<Worker> attach(std::size_t slot);

  /// Returns a worker for requests that belong to no thread. Any number of threads may use it at the same time, any
  /// number of its requests may be in flight, and each may be finished by another thread than the one that began it.
  /// They are counted by overflow counters: lock-free, with atomic additions. Lists by slot show them with the last
  /// slot in use.
  [[nodiscard]] Worker attach_shared();

  /// Returns a new reader whose first window begins now. Blocks as Reader::drain() does.
  /// \throws std::bad_alloc
  [[nodiscard]] Reader add_reader();

  /// Returns totals since the recorder was made. Drains nothing. Blocks on drains.
  /// \throws std::bad_alloc
  [[nodiscard]] ProcessTotals totals();

  /// Returns the mode that was given.
  [[nodiscard]] Mode mode() const noexcept { return options_.mode; }
  /// Returns the number of worker slots.
  [[nodiscard]] std::size_t threads() const noexcept { return options_.threads; }
  /// Returns the source of time.
  [[nodiscard]] const Clock& clock() const noexcept { return *options_.clock; }
  /// Returns true if writers rely on membarrier() instead of a fence of their own.
  [[nodiscard]] bool asymmetric() const noexcept { return asymmetric_; }
  /// Returns the function that derives phases from timestamps.
  [[nodiscard]] MeasurePhases measure_phases() const noexcept { return options_.measure_phases; }
  /// Returns the slow requests of this process; null without a threshold.
  [[nodiscard]] SlowRequests* slow_requests() noexcept { return slow_requests_.get(); }

 private:
  friend class Reader;
  friend class Worker;
  Worker worker_at(std::size_t slot, std::uint32_t owned) noexcept;
  bool claim(std::size_t slot, std::uint32_t owned) noexcept;
  void release(std::size_t slot, std::uint32_t owned) noexcept;
  std::uint32_t begin_overflow() noexcept;
  std::uint32_t next_number() noexcept { return next_number_.fetch_add(1, std::memory_order_relaxed); }  // only unique
  detail::DrainCoordinator& coordinator();
  void remove_reader(std::uint64_t id) noexcept;
  void recover_from_fork();

  Options options_;
  bool asymmetric_;
  std::unique_ptr<detail::RecorderMemory> memory_;
  std::unique_ptr<SlowRequests> slow_requests_;
  /// Numbers claims, readers and overflow counters. A forked child continues the sequence of its parent, so that
  /// nothing made before the fork is taken for something made after it.
  std::atomic<std::uint32_t> next_number_{1};
  /// Owned. A forked child leaks the coordinator of its parent, whose mutex and lists may be torn.
  std::atomic<detail::DrainCoordinator*> coordinator_;
};

/// @}

inline Request Worker::begin() noexcept { return begin(clock_->monotonic_ns()); }

inline Request Worker::begin(std::uint64_t now_ns) noexcept {
  if (target_.slot != nullptr &&
      target_.slot->state.load(std::memory_order_relaxed) == owned_ &&           // own store, unless a fork wiped it
      target_.slot->start_ns.load(std::memory_order_relaxed) == 0) [[likely]] {  // own store
    target_.slot->begin(now_ns);
    return {this, now_ns, 0};
  }
  return {this, now_ns, begin_elsewhere(now_ns)};
}

inline void Request::finish(const Completion& done) noexcept {
  if (worker_ != nullptr) finish(done, worker_->clock_->monotonic_ns());
}

/// Inlined, so that neither the request nor its measurements have to be stored in memory for a call.
[[gnu::always_inline]] inline void Request::finish(const Completion& done, std::uint64_t now_ns) noexcept {
  if (worker_ == nullptr) return;
  const Worker& worker = *std::exchange(worker_, nullptr);
  if (overflow_id_ != 0 || !worker.asymmetric_) [[unlikely]] {
    worker.finish_elsewhere(done, start_ns_, now_ns, overflow_id_);
    return;
  }
  if (worker.target_.slot->start_ns.load(std::memory_order_relaxed) != start_ns_) return;  // begun before a fork
  detail::record<detail::AsymmetricFence>(worker.target_, start_ns_, now_ns, done);
}

inline void Request::abandon() noexcept { std::exchange(worker_, nullptr)->abandon(start_ns_, overflow_id_); }

}  // namespace sluice
