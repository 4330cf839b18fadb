#include "sluice/recorder.hpp"

#include <stdexcept>
#include <utility>

#include "memory.hpp"
#include "os/mapping.hpp"
#include "readers.hpp"

namespace sluice {

using detail::SlotState;

namespace {

Recorder::Options checked(Recorder::Options options) {
  if (options.threads == 0) throw std::invalid_argument("a recorder needs at least one worker slot");
  if (options.clock == nullptr) options.clock = &system_clock();
  return options;
}

constexpr auto raw(SlotState state) noexcept { return static_cast<std::uint32_t>(state); }

}  // namespace

Recorder::Recorder(Options options)
    : options_(checked(options)),
      asymmetric_(options_.allow_membarrier && detail::membarrier_available()),
      memory_(std::make_unique<Memory>(options_.threads)),
      readers_(new Readers(options_, asymmetric_, *memory_)) {}

Recorder::~Recorder() { delete readers_.load(std::memory_order_acquire); }

/// The drain side after any fork has been noticed.
Recorder::Readers& Recorder::readers() {
  if (memory_->needs_recovery()) recover_from_fork();
  return *readers_.load(std::memory_order_acquire);
}

/// In a forked child: the parent's readers are left where they are, since another thread may have been inside them at the
/// moment of the fork, and new ones begin with empty slots. Several threads may come here; one does it.
void Recorder::recover_from_fork() {
  Memory::Header& header = memory_->header();
  if (memory_->mapping.inherited()) memory_->mapping.adopt();
  std::uint32_t state = Memory::kWiped;
  if (header.alive.compare_exchange_strong(state, Memory::kRecovering, std::memory_order_acq_rel)) {
    try {
      readers_.store(new Readers(options_, asymmetric_, *memory_), std::memory_order_release);
    } catch (...) {
      header.alive.store(Memory::kWiped, std::memory_order_release);
      throw;
    }
    header.spill.name(static_cast<std::uint32_t>(os::process_id()));
    header.alive.store(Memory::kAlive, std::memory_order_release);
    return;
  }
  while (memory_->header().alive.load(std::memory_order_acquire) == Memory::kRecovering) os::yield();
}

std::uint32_t Recorder::begin_spilled() noexcept {
  constexpr std::uint32_t kNowhere = UINT32_MAX;
  try {
    if (memory_->needs_recovery()) recover_from_fork();
  } catch (...) {
    return kNowhere;  // out of memory in a fresh child: the request is not recorded
  }
  detail::Spill& spill = memory_->header().spill;
  spill.begin();
  return spill.id();
}

bool Recorder::claim(std::size_t slot) noexcept {
  const auto array = memory_->array();
  auto& state = array.slots[slot].state;
  std::uint32_t seen = state.load(std::memory_order_relaxed);  // checked by the exchange
  while (seen != raw(SlotState::kOwned)) {
    // Acquire: takes over the counters where the last owner's release left them.
    if (!state.compare_exchange_weak(seen, raw(SlotState::kOwned), std::memory_order_acq_rel,
                                     std::memory_order_relaxed)) {
      continue;
    }
    std::uint32_t high = array.high_water->load(std::memory_order_relaxed);  // checked by the exchange
    const auto needed = static_cast<std::uint32_t>(slot + 1);
    while (high < needed && !array.high_water->compare_exchange_weak(high, needed, std::memory_order_acq_rel)) {
    }
    return true;
  }
  return false;
}

void Recorder::release(std::size_t slot) noexcept {
  auto& state = memory_->array().slots[slot].state;
  std::uint32_t owned = raw(SlotState::kOwned);  // not so after a fork: then there is nothing to give back
  state.compare_exchange_strong(owned, raw(SlotState::kFree), std::memory_order_acq_rel, std::memory_order_relaxed);
}

Worker Recorder::worker_at(std::size_t slot) noexcept {
  const auto array = memory_->array();
  Worker worker;
  worker.recorder_ = this;
  worker.epoch_ = array.epoch;
  worker.spill_ = &memory_->header().spill;
  worker.clock_ = options_.clock;
  worker.phases_ = phases_of(options_.mode);
  worker.asymmetric_ = asymmetric_;
  worker.slot_index_ = options_.threads - 1;
  if (slot < options_.threads) {
    worker.slot_ = &array.slots[slot];
    worker.held_ = &array.held[slot];
    worker.slot_index_ = slot;
  }
  return worker;
}

Worker Recorder::attach() {
  if (memory_->needs_recovery()) recover_from_fork();
  for (std::size_t slot = 0; slot < options_.threads; ++slot) {
    if (claim(slot)) return worker_at(slot);
  }
  return worker_at(options_.threads);
}

absl::StatusOr<Worker> Recorder::attach(std::size_t slot) {
  if (memory_->needs_recovery()) recover_from_fork();
  if (slot >= options_.threads) return absl::OutOfRangeError("there is no such worker slot");
  if (!claim(slot)) return absl::AlreadyExistsError("the worker slot is taken");
  return worker_at(slot);
}

Reader Recorder::add_reader() { return {this, readers().add()}; }

ProcessTotals Recorder::totals() { return readers().totals(); }

Worker::~Worker() {
  if (recorder_ != nullptr && slot_ != nullptr) recorder_->release(slot_index_);
}

void Worker::swap(Worker& other) noexcept {
  std::swap(recorder_, other.recorder_);
  std::swap(slot_, other.slot_);
  std::swap(epoch_, other.epoch_);
  std::swap(held_, other.held_);
  std::swap(spill_, other.spill_);
  std::swap(clock_, other.clock_);
  std::swap(slot_index_, other.slot_index_);
  std::swap(phases_, other.phases_);
  std::swap(asymmetric_, other.asymmetric_);
}

Reader::~Reader() {
  if (recorder_ != nullptr) recorder_->readers().remove(id_);
}

absl::StatusOr<Window> Reader::drain() {
  Window window;
  if (absl::Status status = drain(window); !status.ok()) return status;
  return window;
}

absl::Status Reader::drain(Window& window) { return recorder_->readers().drain(id_, window); }

}  // namespace sluice
