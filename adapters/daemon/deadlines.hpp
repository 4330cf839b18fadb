// SPDX-License-Identifier: Apache-2.0
// Deadlines for blocking system calls, at no extra system call: a thread stores the time until which it may block, and
// one watching thread of the process interrupts it with SIGURG when that time has passed.
//
// Socket timeouts would need four calls of setsockopt() for each connection, and bound only the silence between two
// bytes, not the time of a whole exchange.
//
// The protocol between a blocking thread (owner) and the watcher is one atomic word, the state of a slot:
//
//   free --[A1]--> claimed --[A2]--> armed(D) --[W1]--> firing(D) --[W3]--> fired(D) --[W1]--> firing(D) ...
//                                      |                                      |
//                                      +--[D1]--> free                        +--[D2]--> claimed --[D3]--> free
//
//   [A1] owner    compare-exchange, acquire   synchronizes with [D1], [D3] of the slot's previous owner
//        owner    writes `thread` and `socket`
//   [A2] owner    store, seq_cst              publishes both to the watcher
//   [A3] owner    load `sleeping`, seq_cst    wakes the watcher when it reads true
//   [W1] watcher  compare-exchange, acquire   synchronizes with [A2]
//   [W2] watcher  reads `thread`, pthread_kill; after some signals in vain reads `socket`, shutdown
//   [W3] watcher  store, release              publishes the end of [W2] to the owner
//   [D1] owner    compare-exchange armed(D) -> free, release on success, acquire on failure
//   [D2] owner    compare-exchange fired(D) -> claimed, acquire: synchronizes with [W3]
//        owner    reads whether the watcher has shut down the socket
//   [D3] owner    store free, release
//
// After the end of the scope, no signal is sent for that arming:
//   - [D1] succeeds: the modification order of the word has no [W1] between [A2] and [D1], so nothing was sent. A later
//     [W1] that expects the old value fails.
//   - [D1] fails: the watcher is at [W2] or later. The owner waits until it reads fired(D) and succeeds with [D2]. [W2]
//     happens before [W3], and [W3] synchronizes with [D2], so the signal has been sent. Pending signals are delivered
//     before a system call returns, and the owner makes one after [D2].
// A new arming with the same D is another value in the modification order. A watcher that read the old one and whose
// [W1] succeeds on the new one signals a thread whose deadline has passed as well, so it does no harm.
// The thread in `thread` is alive at [W2], because it cannot leave the scope before [W3].
// No wake-up is lost: a signal that arrives before the thread is inside its call is followed by another one in the next
// tick, until the thread leaves the scope.
//
// The watcher sleeps without ticks when it has seen no armed slot for some seconds:
//
//   [S1] watcher  store `sleeping` = true, seq_cst
//   [S2] watcher  loads `chunks` and the state of every slot, seq_cst; goes to sleep if none is armed
//
// No arming is missed. In the single total order of the seq_cst operations [A2] is before or after [S2] of its slot. If
// it is before, [S2] reads armed(D), or a later state that the owner has left D for. If it is after, then [S1] is
// before [A3], so the owner reads true, or the false of another owner that wakes the watcher. A new chunk is published
// by a seq_cst exchange before its [A2], so the same holds for a watcher that reads `chunks` without it. An arming
// makes no system call while the watcher is awake. A wake-up costs one, at most once in those seconds.
//
// The application shares the process, and can make the signal ineffective:
//   - It installs a handler that restarts calls, or none: the watcher repairs the action before [W2].
//   - It blocks the signal in a thread: after some signals without effect the watcher shuts down the socket of the
//     owner, which ends its call. The socket is still the owner's, because the owner closes it after the scope, which
//     it cannot leave before [W3]. An application that puts another file under the number of a socket that it has not
//     opened loses the connection of that file. After a deadline has passed, the next scope of the owner unblocks the
//     signal. A connect() that waits for room in a backlog does not notice a shutdown; it ends when there is room, and
//     the owner learns from end() that the connection is of no use.
//   - The machine is so busy that the owner does not run for some ticks: the watcher shuts down the socket as well. The
//     call may have transferred bytes, so the owner is told of the shutdown by end().
#pragma once

#include <cstdint>

namespace sluice::daemon {

/// The watching thread of this process. Any thread may call any member.
class DeadlineWatcher {
 public:
  static constexpr std::uint64_t kTickNs = 250'000'000;
  /// The watcher goes to sleep after this number of ticks at which no thread blocked with a deadline.
  static constexpr unsigned kQuietTicks = 20;

  /// Installs the handler of SIGURG and starts the watching thread, which blocks all signals. Does nothing when it runs
  /// already. Only for a process that is not forked again without exec. Returns false when no thread can be created.
  [[nodiscard]] static bool start(std::uint64_t tick_ns = kTickNs) noexcept;

  /// Makes SIGURG interrupt blocking calls again, after the application or one of its libraries has changed its action.
  static void repair_signal() noexcept;

  /// Ends the watching thread. Blocking calls have no deadline afterwards.
  static void stop() noexcept;
};

/// No deadline.
inline constexpr std::uint64_t kNever = UINT64_MAX;

/// Bounds the blocking system call of this thread that it encloses. When the deadline passes, the call fails with
/// EINTR, returns the bytes that it has transferred so far, or finds its socket shut down. The scope itself does not
/// block, with two exceptions: the first scope after a quiet time wakes the watcher under a mutex, and the end of a
/// scope whose deadline has passed waits for a signal that is being sent.
class BlockingScope {
 public:
  /// `deadline_ns` is a time of monotonic_ns(), or kNever. `socket` is shut down when signals do not end the call; -1
  /// stands for no socket. Throws std::bad_alloc when more threads block than ever before and no memory is left.
  explicit BlockingScope(std::uint64_t deadline_ns, int socket = -1);
  BlockingScope(const BlockingScope&) = delete;
  BlockingScope& operator=(const BlockingScope&) = delete;
  ~BlockingScope() { end(); }

  /// Ends the scope before its destructor does. Returns true when the socket has been shut down, because signals did
  /// not end the call. Preserves errno.
  bool end() noexcept;

 private:
  void* slot_ = nullptr;
  std::uint64_t armed_ = 0;
};

}  // namespace sluice::daemon
