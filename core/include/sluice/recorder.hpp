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
#include "sluice/slow_requests.hpp"
#include "sluice/timestamps.hpp"
#include "sluice/totals.hpp"
#include "sluice/window.hpp"

namespace sluice {

class Recorder;
class Worker;

/// One request in flight. Move-only. A request that is dropped without finish() counts as one that never started a
/// response (status 0). Must not outlive its Worker. A request begun before a fork is the parent's: the child's copy
/// records nothing.
class Request {
 public:
  Request(Request&& other) noexcept
      : worker_(std::exchange(other.worker_, nullptr)), start_ns_(other.start_ns_), overflow_id_(other.overflow_id_) {}
  Request& operator=(Request&&) = delete;
  ~Request() {
    if (worker_ != nullptr) abandon();
  }

  /// Records the request, once; later calls do nothing. Wait-free, no allocation, no system call besides the clock;
  /// lock-free for a request that has no slot of its own.
  void finish(const Completion& done) noexcept;

  /// The same with the instant given: monotonic nanoseconds of the recorder's clock.
  void finish(const Completion& done, std::uint64_t now_ns) noexcept;

  /// Gives the request up without a record, as one that somebody else is to serve. Windows that ended meanwhile keep
  /// its part of their busy time, and the slot's next request is given that much less. Later calls do nothing.
  /// Wait-free; lock-free for a request that has no slot of its own.
  void cancel() noexcept {
    if (worker_ != nullptr) cancel_at(*std::exchange(worker_, nullptr));
  }

  [[nodiscard]] std::uint64_t start_ns() const noexcept { return start_ns_; }
  /// In the worker's slot, and not in the overflow counters.
  [[nodiscard]] bool in_slot() const noexcept { return overflow_id_ == 0; }

 private:
  friend class Worker;
  Request(Worker* worker, std::uint64_t start_ns, std::uint32_t overflow_id) noexcept
      : worker_(worker), start_ns_(start_ns), overflow_id_(overflow_id) {}
  void abandon() noexcept;
  [[gnu::cold]] void cancel_at(const Worker& worker) const noexcept;

  Worker* worker_;
  std::uint64_t start_ns_;
  std::uint32_t overflow_id_;  ///< 0: in the worker's slot.
};

/// A thread's place in a recorder. Used by one thread at a time. Gives its slot back when destroyed, and what it
/// counted stays. Must not outlive the Recorder. Move-only; not to be moved while a request is in flight.
class Worker {
 public:
  Worker() noexcept = default;
  Worker(Worker&& other) noexcept { swap(other); }
  Worker& operator=(Worker&& other) noexcept {
    Worker(std::move(other)).swap(*this);
    return *this;
  }
  ~Worker();

  /// Begins a request now. One that begins while another of this worker is in flight, or on a worker that found no free
  /// slot, is counted in the overflow counters: all its fields are recorded, but its time in flight is not seen before
  /// it ends. Wait-free.
  [[nodiscard]] Request begin() noexcept;

  /// The same with the instant given: monotonic nanoseconds of the recorder's clock.
  [[nodiscard]] Request begin(std::uint64_t now_ns) noexcept;

  /// The slot, from 0. Requests of a worker without a slot are listed with the last.
  [[nodiscard]] std::size_t slot() const noexcept { return slot_index_; }
  [[nodiscard]] bool has_slot() const noexcept { return target_.slot != nullptr; }

 private:
  friend class Recorder;
  friend class Request;
  void swap(Worker& other) noexcept;
  /// Begins a request where begin() does not at once: in the overflow counters, or in a slot that a fork has taken from
  /// this worker. Returns the id of the overflow counters; 0: in the slot.
  [[nodiscard, gnu::cold]] std::uint32_t begin_elsewhere(std::uint64_t now_ns) noexcept;
  /// Ends a request where finish() does not at once: in the overflow counters, or in a slot with a full fence.
  [[gnu::noinline]] void finish_elsewhere(const Completion& done, std::uint64_t start_ns, std::uint64_t now_ns,
                                          std::uint32_t overflow_id) const noexcept;
  /// Ends a request that was dropped.
  [[gnu::cold]] void abandon(std::uint64_t start_ns, std::uint32_t overflow_id) noexcept;

  Recorder* recorder_ = nullptr;
  detail::RecordTarget<detail::ProductionAtomics>
      target_;  ///< Without a slot: everything goes to the overflow counters.
  detail::OverflowCounters* overflow_ = nullptr;
  const Clock* clock_ = nullptr;
  std::size_t slot_index_ = 0;
  std::uint32_t owned_ = 0;  ///< The state of the slot while it is this worker's.
  bool asymmetric_ = false;
};

/// One consumer of windows. Each reader sees every request once, in its own windows; none takes anything from another.
/// Move-only; unregisters when destroyed. Must not outlive the Recorder.
class Reader {
 public:
  Reader(Reader&& other) noexcept : recorder_(std::exchange(other.recorder_, nullptr)), id_(other.id_) {}
  Reader& operator=(Reader&&) = delete;
  ~Reader();

  /// The window since this reader's last drain, or since it was added. Callers on several threads get disjoint windows.
  /// Blocks on other drains and, for at most 2 ms a cut, on writers that were preempted inside a record; never on a
  /// request in flight. Unavailable when the kernel refuses a barrier that it granted before: nothing is lost, the next
  /// call has it.
  [[nodiscard]] absl::StatusOr<Window> drain();

  /// The same into a window of the caller's, whose memory is used again.
  [[nodiscard]] absl::Status drain(Window& window);

 private:
  friend class Recorder;
  Reader(Recorder* recorder, std::uint64_t id) noexcept : recorder_(recorder), id_(id) {}

  Recorder* recorder_;
  std::uint64_t id_;
};

/// One process's metrics. After fork() the child's recorder is empty and its parent's untouched, and both go on; so it
/// is where the memory is given, too. A child that is made by the bare system call must then not use it.
class Recorder {
 public:
  struct Options {
    std::size_t threads = 1;  ///< Worker slots; at least 1. Memory is committed when a slot is first used.
    Mode mode = Mode::kEmbedded;
    const Clock* clock = nullptr;  ///< Not owned; null: the system's.
    bool allow_membarrier = true;  ///< False: writers pay a full fence a record, as on kernels without membarrier.
    MeasurePhases measure_phases =
        overlapping_phases;                            ///< How hosts derive phases from the timestamps of each request.
    std::optional<std::uint64_t> slow_threshold_us{};  ///< Requests that last as long are kept; none: no request is.
    /// Where workers record: whole zeroed pages, memory_bytes(threads) of them at least, that outlive the recorder and
    /// may be shared with processes that read them. What was counted stays in them. Empty: memory of its own.
    std::span<std::byte> memory{};
  };

  /// The memory for so many worker slots, in whole pages.
  [[nodiscard]] static std::size_t memory_bytes(std::size_t threads) noexcept;

  /// Throws std::invalid_argument for no threads and for memory that will not do, std::bad_alloc when memory for the
  /// slots cannot be reserved.
  explicit Recorder(Options options);
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;
  ~Recorder();

  /// A place for the calling thread: the lowest free slot, or a worker without one if all are taken. Lock-free.
  [[nodiscard]] Worker attach();

  /// The slot that the caller names, from 0. OutOfRange, or AlreadyExists if a worker has it. Lock-free.
  [[nodiscard]] absl::StatusOr<Worker> attach(std::size_t slot);

  /// A worker for requests that belong to no thread: any number of threads may use it at the same time, any number of
  /// its requests may be in flight, and each may be finished by another thread than the one that began it. All is
  /// counted in the overflow counters: lock-free, with atomic additions; the lists by slot show it with the last slot
  /// in use.
  [[nodiscard]] Worker attach_shared();

  /// A new reader whose first window begins now. Blocks as a drain does. Throws std::bad_alloc.
  [[nodiscard]] Reader add_reader();

  /// Totals since the recorder was made. Drains nothing. Blocks on drains.
  [[nodiscard]] ProcessTotals totals();

  [[nodiscard]] Mode mode() const noexcept { return options_.mode; }
  [[nodiscard]] std::size_t threads() const noexcept { return options_.threads; }
  [[nodiscard]] const Clock& clock() const noexcept { return *options_.clock; }
  /// True if writers rely on membarrier instead of a fence of their own.
  [[nodiscard]] bool asymmetric() const noexcept { return asymmetric_; }
  [[nodiscard]] MeasurePhases measure_phases() const noexcept { return options_.measure_phases; }
  /// Null without a threshold.
  [[nodiscard]] SlowRequests* slow_requests() noexcept { return slow_requests_.get(); }

 private:
  friend class Reader;
  friend class Worker;
  struct Memory;  // What workers write: a mapping that a forked child finds zeroed.
  class DrainCoordinator;

  Worker worker_at(std::size_t slot, std::uint32_t owned) noexcept;
  bool claim(std::size_t slot, std::uint32_t owned) noexcept;
  void release(std::size_t slot, std::uint32_t owned) noexcept;
  std::uint32_t begin_overflow() noexcept;
  std::uint32_t next_number() noexcept { return next_number_.fetch_add(1, std::memory_order_relaxed); }  // only unique
  DrainCoordinator& coordinator();
  void remove_reader(std::uint64_t id) noexcept;
  void recover_from_fork();

  Options options_;
  bool asymmetric_;
  std::unique_ptr<Memory> memory_;
  std::unique_ptr<SlowRequests> slow_requests_;
  /// Numbers claims, readers and overflow counters. A forked child counts on from its parent's, so that what was made
  /// before the fork is never taken for what is made after it.
  std::atomic<std::uint32_t> next_number_{1};
  std::atomic<DrainCoordinator*>
      coordinator_;  ///< Owned; a forked child leaks its parent's, whose locks and lists may be torn.
};

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

/// Inlined, so that neither the request nor what it measured has to be put into memory.
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
