// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/deadlines.hpp"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <mutex>
#include <utility>

#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::daemon {
namespace {

// The state of a slot: its deadline, shifted, and one of these kinds. Nanoseconds since the boot fit 62 bits for a
// century.
constexpr std::uint64_t kFree = 0;
constexpr std::uint64_t kClaimed = 4;
constexpr std::uint64_t kArmed = 1;
constexpr std::uint64_t kFiring = 2;
constexpr std::uint64_t kFired = 3;
constexpr std::uint64_t kMask = 3;
constexpr unsigned kShift = 2;

constexpr std::size_t kCacheLine = 64;

/// The deadline of one blocked thread. A free slot has no owner, so threads may start and end at any time.
struct alignas(kCacheLine) Slot {
  std::atomic<std::uint64_t> state{kFree};
  // Guarded by `state`: the owner writes them before [A2], the watcher uses them between [W1] and [W3].
  pthread_t thread{};
  int socket = -1;
  unsigned signals = 0;  ///< Number of signals that did not end the call of the owner.
  bool shut_down = false;
};

/// After this number of signals the watcher shuts the connection down.
constexpr unsigned kSignalsMax = 4;

/// Slots are added when more threads block at a time than ever before. They are never freed.
struct Chunk {
  static constexpr std::size_t kSlots = 64;
  Slot slots[kSlots];
  Chunk* next = nullptr;
};

constinit std::atomic<Chunk*> chunks{nullptr};

constinit std::mutex control;  ///< Guards the variables below, and start and stop of the thread.
constinit bool running = false;
constinit bool ending = false;
constinit pthread_t watcher{};
constinit pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
constinit pthread_mutex_t wake_mutex = PTHREAD_MUTEX_INITIALIZER;  ///< Guards `ending`, and `sleeping` becoming false.
constinit std::uint64_t tick = DeadlineWatcher::kTickNs;

constinit std::atomic<bool> ready{false};

/// True while the watcher waits without ticks for a thread to arm a deadline. The cache line is written once in
/// seconds.
alignas(kCacheLine) constinit std::atomic<bool> sleeping{false};

/// The slot that the thread used last, which is usually free.
thread_local constinit Slot* recent = nullptr;
thread_local constinit bool receives_signals = false;

void interrupt(int) noexcept {}

/// [A1]. The failure order is relaxed, because a failed claim reads nothing else.
bool claim(Slot& slot) noexcept {
  std::uint64_t expected = kFree;
  return slot.state.load(std::memory_order_relaxed) == kFree &&  // so that a slot in use is not written to
         slot.state.compare_exchange_strong(expected, kClaimed, std::memory_order_acquire, std::memory_order_relaxed);
}

Slot& claim_any() {
  if (recent != nullptr && claim(*recent)) return *recent;
  for (Chunk* chunk = chunks.load(std::memory_order_acquire); chunk != nullptr; chunk = chunk->next) {
    for (Slot& slot : chunk->slots) {
      if (claim(slot)) return slot;
    }
  }
  auto* const added = new Chunk;
  static_cast<void>(claim(added->slots[0]));
  added->next = chunks.load(std::memory_order_relaxed);  // relaxed, because the exchange below checks it
  while (!chunks.compare_exchange_weak(added->next, added, std::memory_order_seq_cst, std::memory_order_acquire)) {
  }
  return added->slots[0];
}

/// Unblocks SIGURG in this thread, because servers block all signals in their worker threads.
void receive_signals() noexcept {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGURG);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  receives_signals = true;
}

/// Interrupts the owner if its deadline has passed.
void check(Slot& slot, std::uint64_t now_ns) noexcept {
  std::uint64_t state = slot.state.load(std::memory_order_relaxed);  // relaxed, because [W1] checks it
  const std::uint64_t kind = state & kMask;
  if ((kind != kArmed && kind != kFired) || (state >> kShift) > now_ns) return;
  const std::uint64_t deadline = state & ~kMask;
  // [W1]
  if (!slot.state.compare_exchange_strong(state, deadline | kFiring, std::memory_order_acquire,
                                          std::memory_order_relaxed)) {
    return;
  }
  DeadlineWatcher::repair_signal();
  ::pthread_kill(slot.thread, SIGURG);  // [W2]
  if (slot.socket >= 0 && slot.signals++ >= kSignalsMax) {
    ::shutdown(slot.socket, SHUT_RDWR);
    slot.shut_down = true;
  }
  slot.state.store(deadline | kFired, std::memory_order_release);  // [W3]
}

/// Waits for a tick. Returns false when the watcher is to end.
bool wait_for_tick() noexcept {
  timespec until{};
  ::clock_gettime(CLOCK_MONOTONIC, &until);
  const std::uint64_t nanoseconds = static_cast<std::uint64_t>(until.tv_nsec) + tick;
  until.tv_sec += static_cast<time_t>(nanoseconds / kNsPerSecond);
  until.tv_nsec = static_cast<long>(nanoseconds % kNsPerSecond);
  ::pthread_mutex_lock(&wake_mutex);
  int status = 0;
  while (!ending && status != ETIMEDOUT) {
    status = ::pthread_cond_clockwait(&wake, &wake_mutex, CLOCK_MONOTONIC, &until);
  }
  const bool over = ending;
  ::pthread_mutex_unlock(&wake_mutex);
  return !over;
}

/// [S2]. Claimed slots are not armed yet.
bool any_armed() noexcept {
  for (Chunk* chunk = chunks.load(std::memory_order_seq_cst); chunk != nullptr; chunk = chunk->next) {
    for (const Slot& slot : chunk->slots) {
      if ((slot.state.load(std::memory_order_seq_cst) & kMask) != kFree) return true;
    }
  }
  return false;
}

/// Sleeps until a thread arms a deadline. Returns at once when one is armed, and false when the watcher is to end.
bool sleep_until_armed() noexcept {
  sleeping.store(true, std::memory_order_seq_cst);  // [S1]
  const bool armed = any_armed();
  ::pthread_mutex_lock(&wake_mutex);
  if (armed) sleeping.store(false, std::memory_order_relaxed);
  // Relaxed, because the mutex orders it.
  while (!ending && sleeping.load(std::memory_order_relaxed)) ::pthread_cond_wait(&wake, &wake_mutex);
  const bool over = ending;
  ::pthread_mutex_unlock(&wake_mutex);
  return !over;
}

/// Second part of [A3]: wakes the watcher if it sleeps.
void wake_watcher() noexcept {
  ::pthread_mutex_lock(&wake_mutex);
  if (sleeping.load(std::memory_order_relaxed)) {
    sleeping.store(false, std::memory_order_seq_cst);
    ::pthread_cond_signal(&wake);
  }
  ::pthread_mutex_unlock(&wake_mutex);
}

void* watch(void*) noexcept {
  unsigned quiet = 0;
  while (wait_for_tick()) {
    const std::uint64_t now_ns = monotonic_ns();
    for (Chunk* chunk = chunks.load(std::memory_order_acquire); chunk != nullptr; chunk = chunk->next) {
      for (Slot& slot : chunk->slots) check(slot, now_ns);
    }
    quiet = any_armed() ? 0 : quiet + 1;
    if (quiet < DeadlineWatcher::kQuietTicks) continue;
    quiet = 0;
    if (!sleep_until_armed()) break;
  }
  return nullptr;
}

}  // namespace

bool DeadlineWatcher::start(std::uint64_t tick_ns) noexcept {
  if (ready.load(std::memory_order_acquire)) return true;
  const std::lock_guard lock(control);
  if (running) return true;
  tick = tick_ns;
  ending = false;
  struct sigaction action {};
  action.sa_handler = interrupt;  // without SA_RESTART, so that calls return
  ::sigaction(SIGURG, &action, nullptr);
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  running = ::pthread_create(&watcher, nullptr, watch, nullptr) == 0;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ready.store(running, std::memory_order_release);
  return running;
}

void DeadlineWatcher::repair_signal() noexcept {
  struct sigaction action {};
  if (::sigaction(SIGURG, nullptr, &action) != 0) return;
  // A foreign handler is kept, because every handler interrupts a call unless SA_RESTART is set.
  if (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN) {
    action = {};
    action.sa_handler = interrupt;
  } else if ((action.sa_flags & SA_RESTART) != 0) {
    action.sa_flags &= ~SA_RESTART;
  } else {
    return;
  }
  ::sigaction(SIGURG, &action, nullptr);
}

void DeadlineWatcher::stop() noexcept {
  const std::lock_guard lock(control);
  if (!running) return;
  ::pthread_mutex_lock(&wake_mutex);
  ending = true;
  ::pthread_cond_signal(&wake);
  ::pthread_mutex_unlock(&wake_mutex);
  ::pthread_join(watcher, nullptr);
  sleeping.store(false, std::memory_order_relaxed);
  ::signal(SIGURG, SIG_DFL);
  running = false;
  ready.store(false, std::memory_order_release);
}

BlockingScope::BlockingScope(std::uint64_t deadline_ns, int socket) {
  if (deadline_ns == kNever) return;
  if (!receives_signals) receive_signals();
  Slot& slot = claim_any();
  recent = &slot;
  slot_ = &slot;
  armed_ = (deadline_ns << kShift) | kArmed;
  slot.thread = ::pthread_self();
  slot.socket = socket;
  slot.signals = 0;
  slot.shut_down = false;
  slot.state.store(armed_, std::memory_order_seq_cst);           // [A2]
  if (sleeping.load(std::memory_order_seq_cst)) wake_watcher();  // [A3]
}

bool BlockingScope::end() noexcept {
  if (slot_ == nullptr) return false;
  auto& slot = *static_cast<Slot*>(std::exchange(slot_, nullptr));
  std::uint64_t expected = armed_;
  // [D1]
  if (slot.state.compare_exchange_strong(expected, kFree, std::memory_order_release, std::memory_order_acquire)) {
    return false;
  }
  const int error = errno;
  const std::uint64_t fired = (armed_ & ~kMask) | kFired;
  do {
    expected = fired;
    // [D2]. While the exchange fails, the signal is being sent. The system call also delivers the signal before it
    // returns.
    ::sched_yield();
  } while (
      !slot.state.compare_exchange_strong(expected, kClaimed, std::memory_order_acquire, std::memory_order_relaxed));
  const bool shut_down = slot.shut_down;
  slot.state.store(kFree, std::memory_order_release);  // [D3]
  ::sched_yield();
  receives_signals = false;  // the signal may be blocked, so the next scope unblocks it
  errno = error;
  return shut_down;
}

}  // namespace sluice::daemon
