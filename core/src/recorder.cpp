// SPDX-License-Identifier: Apache-2.0
// Order map of what happens once a fork (threads come and go in detail/claim.hpp, the recording path is in slot.hpp and
// epoch_reader.hpp; the argument is in docs/memory-model.md, "Threads and forks")
//   [F1] recover      store      coordinator_  release  synchronizes with [F2]: the coordinator is visible as a whole
//   [F2] coordinator  load       coordinator_  acquire  synchronizes with [F1]
//   [F3] recover      store      alive         release  synchronizes with [F4]: coordinator and overflow id are seen
//   [F4] recovery     load, CAS  alive         acquire  synchronizes with [F3]
#include "sluice/recorder.hpp"

#include <exception>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include "drain_coordinator.hpp"
#include "memory.hpp"
#include "series_labels.hpp"
#include "series_names.hpp"
#include "sluice/detail/claim.hpp"
#include "sluice/series_set.hpp"

namespace sluice::inline v0_1 {

namespace {

/// Sets the id of overflow counters to the next number that is valid, and whether starts are tracked.
template <class NextNumber>
void set_up_overflow(const detail::OverflowMemory& overflow, bool tracks, NextNumber next_number) {
  if (tracks) overflow.control().set_tracks();
  std::uint32_t number = next_number();
  while (!detail::RequestPlace::is_overflow_id(number)) number = next_number();
  overflow.control().set_id(number);
}

/// Returns the options with what they leave to be chosen. \throws std::invalid_argument
RecorderOptions checked(RecorderOptions options, const SchemaInfo& schema) {
  if (options.threads == 0) throw std::invalid_argument("a recorder needs at least one worker slot");
  if (options.series_set != nullptr) {
    if (options.series_set->schema().hash != schema.hash)
      throw std::invalid_argument("a recorder has the series of another schema");
    options.series = options.series_set->most();
  }
  if (options.series > RecorderOptions::kSeriesMost) throw std::invalid_argument("a recorder has too many series");
  if (options.mode >= kModes) throw std::invalid_argument("a recorder has a mode from 0 to 7");
  if (options.clock == nullptr) options.clock = &system_clock();
  return options;
}

}  // namespace

/// Returns the names of a recorder's series: those of a set if there is one, or names of its own.
std::shared_ptr<detail::SeriesNames> RecorderBase::names_for(const Options& options) {
  if (options.series_set != nullptr) return options.series_set->names_;
  return options.series == 0 ? nullptr : std::make_shared<detail::SeriesNames>(options.series);
}

RecorderBase::RecorderBase(Options options, const detail::MemoryLayout& layout)
    : options_(checked(options, *layout.schema)),
      layout_(layout),
      asymmetric_(options_.allow_membarrier && detail::may_leave_fence_to_readers(!options_.memory.empty())),
      memory_(std::make_unique<detail::RecorderMemory>(options_, layout_)),
      names_(names_for(options_)),
      coordinator_(new detail::DrainCoordinator(options_, asymmetric_, *memory_, names_)) {
  set_up_overflow(memory_->overflow(), options_.event_loops, [this] { return next_number(); });
}

/// Leaks the parent's coordinator in a forked child that never used the recorder, because the coordinator may be torn.
RecorderBase::~RecorderBase() {
  if (!memory_->needs_recovery()) delete coordinator_.load(std::memory_order_acquire);  // [F2]
}

/// Returns the coordinator, after recovering from a fork if there was one.
detail::DrainCoordinator& RecorderBase::coordinator() {
  if (memory_->needs_recovery()) recover_from_fork();
  return *coordinator_.load(std::memory_order_acquire);  // [F2]
}

/// Makes a new coordinator in a forked child, which begins with empty slots. The parent's coordinator is leaked,
/// because another thread may have been inside it at the moment of the fork. One of the threads that call this does the
/// work.
void RecorderBase::recover_from_fork() {
  if (memory_->mapping.inherited()) memory_->mapping.adopt();
  if (!memory_->begin_recovery()) return;
  memory_->exemplars.recover();
  std::atomic<std::uint32_t>& alive = memory_->header().alive;
  try {
    // The names are copied, because another thread may have been adding one at the moment of the fork.
    if (names_ != nullptr) names_ = std::make_shared<detail::SeriesNames>(*names_);
    using detail::DrainCoordinator;
    coordinator_.store(
        new DrainCoordinator(options_, asymmetric_, *memory_, names_, DrainCoordinator::Process::kForked),
        std::memory_order_release);  // [F1]
  } catch (...) {
    alive.store(detail::RecorderMemory::kWiped, std::memory_order_release);  // [F3]
    throw;
  }
  if (asymmetric_)
    static_cast<void>(detail::membarrier_available());  // in case a kernel does not inherit the registration
  set_up_overflow(memory_->overflow(), options_.event_loops, [this] { return next_number(); });
  alive.store(detail::RecorderMemory::kAlive, std::memory_order_release);  // [F3]
}

detail::OverflowPlace RecorderBase::begin_overflow(std::uint64_t now_ns) noexcept {
  try {
    if (memory_->needs_recovery()) recover_from_fork();
  } catch (...) {
    return {.id = detail::RequestPlace::kNowhere};  // out of memory in a forked child: the request is not recorded
  }
  const detail::OverflowMemory overflow = memory_->overflow();
  const std::uint32_t id = overflow.control().id();
  // The process has overwritten the id with a number that would mean the worker's slot.
  if (!detail::RequestPlace::is_overflow_id(id)) return {.id = detail::RequestPlace::kNowhere};
  return {.id = id, .tracked = overflow.begin(detail::overflow_stripe(), now_ns, options_.event_loops)};
}

void RecorderBase::cancel_overflow() noexcept {
  const detail::OverflowMemory overflow = memory_->overflow();
  const std::size_t stripe = detail::overflow_stripe();
  overflow.control().use(stripe);
  overflow.stripe(stripe).phaser().cancel();
}

/// In a forked child the first claim recovers, so that the first window begins before the first request. If there is no
/// memory for that, it begins with the next use that recovers.
bool RecorderBase::claim(std::size_t slot, std::uint32_t owned) noexcept {
  try {
    if (memory_->needs_recovery()) recover_from_fork();
  } catch (...) {  // the slot can be claimed all the same
  }
  return detail::claim(memory_->array(), slot, owned);
}

/// Does nothing if a fork has taken the slot from its owner.
void RecorderBase::release(std::size_t slot, std::uint32_t owned) noexcept {
  detail::release(memory_->array(), slot, owned);
}

detail::WorkerBase RecorderBase::worker_at(std::size_t slot, std::uint32_t owned) noexcept {
  const auto& array = memory_->array();
  detail::WorkerBase worker;
  worker.recorder_ = this;
  worker.epoch_ = array.epoch;
  worker.overflow_ = &memory_->overflow().control();
  worker.clock_ = options_.clock;
  worker.mode_ = options_.mode;
  worker.asymmetric_ = asymmetric_;
  worker.own_memory_ = options_.memory.empty();
  worker.owned_ = owned;
  worker.slot_index_ = options_.threads - 1;
  worker.series_size_ = static_cast<std::uint32_t>(array.series_size);
  worker.series_owner_ = names_ != nullptr ? names_->owner() : 0;
  if (slot < options_.threads) {
    worker.series_ = array.series_block(slot);
    worker.slot_ = &array.slot(slot).header();
    worker.uncollected_ = &array.uncollected[slot];
    worker.slot_index_ = slot;
  }
  return worker;
}

void RecorderBase::attach_any(detail::WorkerBase& worker) {
  if (memory_->needs_recovery()) recover_from_fork();
  const std::uint32_t owned = detail::owned_by(next_number());
  const std::optional<std::size_t> slot =
      options_.event_loops ? std::nullopt : detail::claim_lowest(memory_->array(), owned);
  worker = worker_at(slot.value_or(options_.threads), owned);
}

void RecorderBase::attach_to_none(detail::WorkerBase& worker) {
  if (memory_->needs_recovery()) recover_from_fork();
  worker = worker_at(options_.threads, detail::owned_by(next_number()));
}

Status RecorderBase::attach_to(std::size_t slot, detail::WorkerBase& worker) {
  if (memory_->needs_recovery()) recover_from_fork();
  if (slot >= options_.threads || options_.event_loops) {
    return {StatusCode::kOutOfRange, "there is no such worker slot"};
  }
  const std::uint32_t owned = detail::owned_by(next_number());
  if (!claim(slot, owned)) return {StatusCode::kAlreadyExists, "the worker slot is taken"};
  worker = worker_at(slot, owned);
  return {};
}

namespace detail {

/// In a forked child the slot is empty. The worker claims it again, unless another worker has done so.
OverflowPlace WorkerBase::begin_elsewhere(std::uint64_t now_ns) noexcept {
  if (recorder_ == nullptr) return {.id = RequestPlace::kNowhere};
  const bool wiped =
      slot_ != nullptr && slot_->state.load(std::memory_order_relaxed) != owned_;  // own store, or a wipe
  if (!wiped || !recorder_->claim(slot_index_, owned_)) return recorder_->begin_overflow(now_ns);
  slot_->begin(now_ns);
  return {};
}

void WorkerBase::end_tracking(OverflowPlace overflow) const noexcept {
  if (overflow.tracked == OverflowPlace::kNotAsked) return;
  recorder_->memory_->overflow().end_tracking(overflow_stripe(), overflow.tracked);
}

OverflowPlace WorkerBase::set_trace(const Trace& trace, std::uint64_t start_ns, OverflowPlace overflow) const noexcept {
  if (!RequestPlace::is_slot(overflow) || !recorder_->memory_->exemplars.exists()) return overflow;
  if (slot_->start_ns.load(std::memory_order_relaxed) != start_ns) return overflow;  // begun before a fork
  if (!trace.is_valid()) return {};
  recorder_->memory_->exemplars.set_trace(slot_index_, trace);
  return {.id = RequestPlace::kTraced};
}

void WorkerBase::keep_exemplar(std::uint64_t duration_ns, std::uint32_t series) const noexcept {
  recorder_->memory_->exemplars.keep(slot_index_, duration_ns, series, clock());
}

void WorkerBase::cancel(std::uint64_t start_ns, OverflowPlace overflow) const noexcept {
  if (!RequestPlace::is_slot(overflow)) {
    if (overflow_ == nullptr || overflow_->id() != overflow.id) return;
    end_tracking(overflow);
    recorder_->cancel_overflow();
  } else if (slot_->start_ns.load(std::memory_order_relaxed) == start_ns) {  // own store, unless a fork wiped it
    slot_->cancel();
  }
}

std::byte* WorkerBase::overflow_series(std::size_t stripe) const noexcept {
  return recorder_->memory_->overflow_series_block(stripe);
}

WorkerBase::~WorkerBase() {
  if (recorder_ != nullptr && slot_ != nullptr) recorder_->release(slot_index_, owned_);
}

void WorkerBase::swap(WorkerBase& other) noexcept {
  std::swap(recorder_, other.recorder_);
  std::swap(slot_, other.slot_);
  std::swap(epoch_, other.epoch_);
  std::swap(uncollected_, other.uncollected_);
  std::swap(overflow_, other.overflow_);
  std::swap(clock_, other.clock_);
  std::swap(series_, other.series_);
  std::swap(series_size_, other.series_size_);
  std::swap(series_owner_, other.series_owner_);
  std::swap(slot_index_, other.slot_index_);
  std::swap(owned_, other.owned_);
  std::swap(mode_, other.mode_);
  std::swap(asymmetric_, other.asymmetric_);
  std::swap(own_memory_, other.own_memory_);
}

}  // namespace detail

Reader RecorderBase::add_reader() {
  detail::DrainCoordinator& drains = coordinator();
  std::uint64_t id = next_number();
  while (!drains.add(id)) id = next_number();
  return {this, id};
}

/// Does nothing in a forked child that has not recovered, because it has no readers.
void RecorderBase::remove_reader(std::uint64_t id) noexcept {
  if (!memory_->needs_recovery()) coordinator_.load(std::memory_order_acquire)->remove(id);  // [F2]
}

Series RecorderBase::series(Labels labels) {
  if (memory_->needs_recovery()) recover_from_fork();
  if (names_ == nullptr) return {};
  using Names = detail::SeriesNames;
  const auto if_new = options_.series_set == nullptr ? Names::IfNew::kAdd : Names::IfNew::kOverflow;
  return detail::resolve(*names_, labels, schema(), if_new);
}

ProcessTotals RecorderBase::totals() { return coordinator().totals(); }

Reader::~Reader() {
  if (recorder_ != nullptr) recorder_->remove_reader(id_);
}

Result<Window> Reader::drain() {
  Window window;
  if (const Status status = drain(window); !status.ok()) return status;
  return window;
}

Status Reader::drain(Window& window) {
  if (recorder_ == nullptr) return {StatusCode::kFailedPrecondition, "the reader reads no recorder"};
  return recorder_->coordinator().drain(id_, window);
}

void Reader::give_back(const Window& window) noexcept {
  try {
    if (recorder_ != nullptr && window.schema != nullptr) recorder_->coordinator().give_back(id_, window);
  } catch (const std::exception&) {  // a recorder without series allocates nothing here
  }
}

}  // namespace sluice
