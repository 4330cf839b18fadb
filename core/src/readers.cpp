#include "readers.hpp"

#include <algorithm>
#include <utility>

#include "os/mapping.hpp"

namespace sluice {
namespace {

using detail::SpillBank;

/// How long a drain may wait, in all, for writers that were preempted inside a record.
class Patience {
 public:
  /// Waits one turn. False once there is no more time.
  bool operator()() noexcept {
    if (++turns_ <= kSpins) {
      pause();
      return true;
    }
    const std::uint64_t now = monotonic_ns();
    if (deadline_ns_ == 0) deadline_ns_ = now + kPatienceNs;
    os::yield();
    return now < deadline_ns_;
  }

 private:
  static constexpr int kSpins = 200;
  static constexpr std::uint64_t kPatienceNs = 2'000'000;

  static void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }

  int turns_ = 0;
  std::uint64_t deadline_ns_ = 0;
};

}  // namespace

Recorder::Readers::Readers(const Options& options, bool asymmetric, Memory& memory)
    : options_(options),
      asymmetric_(asymmetric),
      memory_(memory),
      timeline_(*options.clock),
      instant_(timeline_.now()),
      restart_time_(instant_.wall),
      ledger_(memory.array(), instant_.monotonic_ns),
      scratch_(empty_window()) {}

Window Recorder::Readers::empty_window() const {
  Window window;
  window.mode = options_.mode;
  window.slots.resize(options_.threads);
  return window;
}

std::uint64_t Recorder::Readers::add() {
  const std::lock_guard lock(mutex_);
  // A cut that the kernel refuses leaves the reader's beginning at the cut before: it sees more, never less.
  static_cast<void>(cut());
  const std::uint64_t id = next_id_++;
  static_cast<void>(pending(id));
  return id;
}

void Recorder::Readers::remove(std::uint64_t id) noexcept {
  const std::lock_guard lock(mutex_);
  std::erase_if(pending_, [id](const Pending& each) { return each.id == id; });
}

/// A reader that was registered before a fork is not known to the child: it begins anew there.
Recorder::Readers::Pending& Recorder::Readers::pending(std::uint64_t id) {
  const auto found = std::find_if(pending_.begin(), pending_.end(), [id](const Pending& each) { return each.id == id; });
  if (found != pending_.end()) return *found;
  next_id_ = std::max(next_id_, id + 1);
  Pending& fresh = pending_.emplace_back(
      Pending{.id = id, .start_ns = ledger_.cut_ns(), .start_resources = probe_.read(), .stepped = false,
              .window = empty_window()});
  fresh.window.start_time = fresh.window.stop_time = instant_.wall;
  return fresh;
}

absl::Status Recorder::Readers::cut() {
  if (!interrupted_) {
    scratch_.clear_counts();
    instant_ = timeline_.now();
  }
  Patience patience;
  const bool whole = asymmetric_
                         ? ledger_.cut<detail::AsymmetricFence>(instant_.monotonic_ns, scratch_, patience)
                         : ledger_.cut<detail::SymmetricFence>(instant_.monotonic_ns, scratch_, patience);
  interrupted_ = !whole;
  if (!whole) return absl::UnavailableError("the kernel refused membarrier; the window is kept for the next drain");
  take_spill(ledger_.cut_ns() - ledger_.previous_cut_ns());
  for (Pending& each : pending_) {
    each.window.merge_counts(scratch_);
    each.stepped = each.stepped || instant_.stepped;
  }
  return absl::OkStatus();
}

std::size_t Recorder::Readers::last_used_slot() const noexcept {
  const std::uint32_t used = memory_.header().high_water.load(std::memory_order_acquire);
  return used == 0 ? 0 : used - 1;
}

/// Requests without a slot are listed with the last slot that is in use. Their busy time fills what that slot left of the
/// window; more of it cannot be shown in one entry.
void Recorder::Readers::take_spill(std::uint64_t period_ns) {
  detail::Spill& spill = memory_.header().spill;
  spill.flip();
  Patience patience;
  SpillBank* bank = spill.quiescent();
  while (bank == nullptr && patience()) bank = spill.quiescent();
  if (bank == nullptr) return;  // its writers were preempted: a later cut has it
  if (const std::uint64_t count = bank->count.get(); count != 0) {
    SlotWindow& slot = scratch_.slots[last_used_slot()];
    detail::BankBaseline nothing;
    detail::take_sums(bank->sums, nothing, scratch_, slot);
    scratch_.request_count += count;
    slot.completed += count;
    slot.busy_ns += std::min(bank->busy_ns.get(), period_ns - slot.busy_ns);
    bank->clear();
  }
  spill.taken();
}

void Recorder::Readers::finish(Pending& pending, const Resources& now) const noexcept {
  Window& window = pending.window;
  window.stop_time = instant_.wall;
  window.elapsed_ns = ledger_.cut_ns() - pending.start_ns;
  window.sample_period =
      pending.stepped ? static_cast<double>(window.elapsed_ns) / 1e9 : window.stop_time - window.start_time;
  window.threads_started = ledger_.slots_met();
  window.resources = now;
  window.cpu_user_us = now.cpu_user_us - pending.start_resources.cpu_user_us;
  window.cpu_system_us = now.cpu_system_us - pending.start_resources.cpu_system_us;
}

absl::Status Recorder::Readers::drain(std::uint64_t id, Window& window) {
  const std::lock_guard lock(mutex_);
  Pending& mine = pending(id);
  if (absl::Status status = cut(); !status.ok()) return status;
  const Resources now = probe_.read();
  finish(mine, now);

  window.slots.resize(options_.threads);
  std::swap(window, mine.window);
  mine.window.mode = options_.mode;
  mine.window.clear_counts();
  mine.window.start_time = window.stop_time;
  mine.start_ns = ledger_.cut_ns();
  mine.start_resources = now;
  mine.stepped = false;
  return absl::OkStatus();
}

/// Reads without a cut. Each counter grows only, so each sum does; a request that completes between the reading of its
/// slot's busy time and of its start is missed for the moment, and the floor keeps the total from going down by it.
ProcessTotals Recorder::Readers::totals() {
  const std::lock_guard lock(mutex_);
  const auto array = memory_.array();
  const Timeline::Instant now = timeline_.now();
  ProcessTotals totals{.restart_time = restart_time_,
                       .current_time = now.wall,
                       .threads = {},
                       .resources = probe_.read()};
  if (now.stepped) {
    for (Pending& each : pending_) each.stepped = true;
  }
  const std::size_t used = array.high_water->load(std::memory_order_acquire);
  totals.threads.reserve(used);
  for (std::size_t i = 0; i < used; ++i) {
    const auto& slot = array.slots[i];
    if (slot.state.load(std::memory_order_acquire) == 0) continue;
    std::uint64_t count = 0;
    for (const auto& bank : slot.banks) {
      count += bank.count.load(std::memory_order_relaxed);                     // grows only
      totals.request_busy_ns += bank.busy_ns.load(std::memory_order_acquire);  // before start_ns is read
    }
    const std::uint64_t start_ns = slot.start_ns.load(std::memory_order_relaxed);  // a glance
    if (start_ns != 0) {
      ++totals.active_requests;
      totals.request_busy_ns += now.monotonic_ns > start_ns ? now.monotonic_ns - start_ns : 0;
    }
    totals.request_count += count;
    totals.threads.push_back({.thread_id = i + 1, .request_count = count});
  }
  const detail::Spill& spill = memory_.header().spill;
  if (const std::uint64_t count = spill.lifetime_count(); count != 0 && !totals.threads.empty()) {
    totals.threads.back().request_count += count;
    totals.request_count += count;
  }
  totals.active_requests += spill.in_flight();
  totals.request_busy_ns += spill.lifetime_busy_ns();
  busy_floor_ns_ = totals.request_busy_ns = std::max(totals.request_busy_ns, busy_floor_ns_);
  return totals;
}

}  // namespace sluice
