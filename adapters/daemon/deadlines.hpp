// Deadlines for blocking system calls, without a system call of their own for each: a thread notes until when it is
// willing to block, and one thread of the process interrupts it with SIGURG once that time has passed.
//
// Why not socket timeouts: each connection would need four calls of setsockopt, and they bound the silence between two
// bytes only, not the time that a whole exchange takes.
//
// The protocol between a blocking thread (owner) and the watcher is one atomic word, the state of a slot:
//
//   free --[A1]--> claimed --[A2]--> armed(D) --[W1]--> firing(D) --[W3]--> fired(D) --[W1]--> firing(D) ...
//                                      |                                      |
//                                      +--[D1]--> free                        +--[D2]--> free
//
//   [A1] owner    compare-exchange, acquire   synchronizes with [D1], [D2] of the slot's previous owner
//        owner    writes `thread` and `socket`
//   [A2] owner    store, seq_cst              publishes both to the watcher
//   [A3] owner    load `sleeping`, seq_cst    wakes the watcher when it reads true
//   [W1] watcher  compare-exchange, acquire   synchronizes with [A2]
//   [W2] watcher  reads `thread`, pthread_kill; after some signals in vain reads `socket`, shutdown
//   [W3] watcher  store, release              publishes the end of [W2] to the owner
//   [D1] owner    compare-exchange armed(D) -> free, release on success, acquire on failure
//   [D2] owner    compare-exchange fired(D) -> free, acq_rel: synchronizes with [W3]
//
// After disarm() returns, no signal is sent for that arming:
//   - [D1] succeeds: the modification order of the word has no [W1] between [A2] and [D1], so nothing was sent, and a
//   [W1]
//     that reads the old value and comes later fails.
//   - [D1] fails: the watcher is at [W2] or behind it. The owner waits until it reads fired(D) and succeeds with [D2].
//     [W2] happens before [W3], and [W3] synchronizes with [D2], so the sending is over. A thread has its pending
//     signals delivered before a system call returns to it, and disarm() ends with one.
// A new arming with the same D is another one in the modification order. A watcher whose load came before it and whose
// [W1] comes after it signals a thread whose deadline has passed all the same, so it does no harm.
// The thread that `thread` names is alive at [W2], because it cannot leave disarm() before [W3].
// No wake-up is lost: a signal that arrives before the thread is inside its call is followed by another one in the next
// tick, until the thread disarms.
//
// The watcher sleeps without ticks when it has seen no armed slot for some seconds:
//
//   [S1] watcher  store `sleeping` = true, seq_cst
//   [S2] watcher  loads `chunks` and the state of every slot, seq_cst; goes to sleep if none is armed
//
// No arming is missed. In the single total order of the seq_cst operations [A2] is before or after [S2] of its slot. If
// it is before, [S2] reads armed(D), or a later state that the owner has left D for. If it is after, then [S1] is
// before [A3], so the owner reads true, or the false of another owner that wakes the watcher. A chunk that was added is
// published by a seq_cst exchange before its [A2], so the same holds for a watcher that reads `chunks` without it.
// While the watcher is awake an arming makes no system call; a wake-up costs one, at most once in those seconds.
//
// The application shares the process, and can take the effect from the signal:
//   - A handler that restarts calls, or no handler: the watcher puts the action right before [W2].
//   - A thread that blocks the signal: after a few signals in vain the watcher shuts the socket down that the owner
//   named,
//     which ends its call. The socket is still the owner's, for the same reason that its thread is alive: the owner
//     closes it after disarm() at the earliest, and cannot leave disarm() before [W3]. An application that puts another
//     file under the number of a socket that it has not opened loses that file's connection. After a deadline that has
//     passed, the owner's next scope unblocks the signal. A connect() that waits for room in a backlog does not notice
//     a shutdown; it ends when there is room.
#pragma once

#include <cstdint>

namespace sluice::daemon {

/// The watching thread of this process. All members may be called by any thread.
class DeadlineWatcher {
 public:
  static constexpr std::uint64_t kTickNs = 250'000'000;
  /// The watcher goes to sleep after so many ticks at which no thread blocked with a deadline.
  static constexpr unsigned kQuietTicks = 20;

  /// Installs the handler of SIGURG and starts the watching thread, with all signals blocked in it, unless both are
  /// there already. Only in a process that is not forked again without exec. False when there can be no thread.
  [[nodiscard]] static bool start(std::uint64_t tick_ns = kTickNs) noexcept;

  /// Makes SIGURG end blocking calls again after the application, or a library of its, has changed what it does.
  static void repair_signal() noexcept;

  /// Ends the watching thread. Blocking calls have no deadline from here on.
  static void stop() noexcept;
};

/// No deadline.
inline constexpr std::uint64_t kNever = UINT64_MAX;

/// Bounds the blocking system call that it encloses: when the deadline passes, the call returns EINTR, or what it has
/// moved by then, or finds its socket shut down. For the thread that makes it. Nothing here blocks, with two
/// exceptions: the first scope after a quiet time wakes the watcher under a mutex, and the end of a scope whose
/// deadline has passed waits for a signal that is being sent.
class BlockingScope {
 public:
  /// A time of monotonic_ns(), or kNever. `socket` is shut down if signals do not end the call; -1 names none. Throws
  /// std::bad_alloc when more threads block than ever before and there is no memory for it.
  explicit BlockingScope(std::uint64_t deadline_ns, int socket = -1);
  BlockingScope(const BlockingScope&) = delete;
  BlockingScope& operator=(const BlockingScope&) = delete;
  /// Leaves errno as it is.
  ~BlockingScope();

 private:
  void* slot_ = nullptr;
  std::uint64_t armed_ = 0;
};

}  // namespace sluice::daemon
