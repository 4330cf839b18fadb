// SPDX-License-Identifier: Apache-2.0
// Tests a writer that is stopped in the middle of a record, with the recorder as it ships: a signal interrupts it at
// any instruction, and the handler keeps it there. Not in builds for ThreadSanitizer, which defers signals until a
// system call.
#include "phases.hpp"
#include "stress.hpp"

#if !SLUICE_THREAD_SANITIZER

#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <thread>
#include <vector>

#include "audit.hpp"
#include "members.hpp"
#include "shared_memory.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

using Slot = detail::SlotHeader<detail::ProductionAtomics>;

/// The state of one writer for its signal handler.
struct Stop {
  const Slot* slot = nullptr;
  std::atomic<bool> requested{false};  ///< True until one of several pending signals stops it.
  std::atomic<bool> parked{false};
  std::atomic<std::uint64_t> at{0};  ///< Sequence at which it was stopped.
  sem_t go;
};

thread_local Stop* stop_of_thread = nullptr;

/// Keeps the thread where it is, if it is inside a record.
void park(int) {
  const int error = errno;
  Stop* const stop = stop_of_thread;
  if (stop != nullptr && stop->slot != nullptr) {
    const std::uint64_t sequence = stop->slot->sequence.load(std::memory_order_relaxed);
    if ((sequence & 1) != 0 && stop->requested.exchange(false)) {
      stop->at.store(sequence);
      stop->parked.store(true);
      while (::sem_wait(&stop->go) != 0) {
      }
      stop->parked.store(false);
    }
  }
  errno = error;
}

/// A thread that serves without pause and can be stopped inside a record.
class Writer {
 public:
  Writer(Recorder& recorder, const Mix& mix, std::uint64_t number) : tally_(number) {
    ::sem_init(&stop_.go, 0, 0);
    thread_ = std::thread([this, &recorder, &mix] {
      Worker worker = recorder.attach();
      stop_.slot = slot_of(worker);
      stop_of_thread = &stop_;
      Tally tally = tally_;
      ready_ = true;
      for (std::uint64_t now_ns = 1; !end_.load(std::memory_order_relaxed); ++now_ns) {
        const std::size_t which = tally.next();
        Request request = worker.begin(now_ns);
        request.finish(mix[which], now_ns);
        served_.store(now_ns, std::memory_order_relaxed);
      }
      stop_of_thread = nullptr;
      tally_ = tally;
    });
    while (!ready_) std::this_thread::yield();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() { ::sem_destroy(&stop_.go); }

  /// Sends signals until one interrupts the thread inside a record. Returns their number.
  std::uint64_t stop() {
    std::uint64_t signals = 0;
    stop_.requested = true;
    while (!stop_.parked.load()) {
      const std::uint64_t before = served_.load();
      ::pthread_kill(thread_.native_handle(), SIGUSR1);
      ++signals;
      while (!stop_.parked.load() && served_.load() < before + 2) std::this_thread::yield();
    }
    return signals;
  }
  [[nodiscard]] bool stopped() const { return stop_.parked.load() && stop_.slot->sequence.load() == stop_.at.load(); }
  void go() {
    ::sem_post(&stop_.go);
    while (stop_.parked.load()) std::this_thread::yield();
  }
  /// Returns the number of recorded requests, without the one in which the writer is stopped.
  [[nodiscard]] std::uint64_t recorded() const { return stop_.at.load() / 2; }
  /// Returns the number of requests served so far.
  [[nodiscard]] std::uint64_t served() const { return served_.load(); }

  const Tally& join() {
    end_ = true;
    thread_.join();
    return tally_;
  }

 private:
  Stop stop_;
  Tally tally_;
  std::atomic<bool> ready_{false};
  std::atomic<bool> end_{false};
  std::atomic<std::uint64_t> served_{0};
  std::thread thread_;
};

/// Lets a writer go on if a drain seems to wait for it for ever, so that the test fails instead of hanging.
class Watchdog {
 public:
  explicit Watchdog(Writer& writer) {
    thread_ = std::thread([this, &writer] {
      std::unique_lock lock(mutex_);
      if (over_.wait_for(lock, std::chrono::seconds(kHangSeconds), [this] { return done_; })) return;
      writer.go();
    });
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      done_ = true;
    }
    over_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable over_;
  bool done_ = false;
  std::thread thread_;
};

class Handler {
 public:
  Handler() {
    struct sigaction action {};
    action.sa_handler = park;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGUSR1, &action, &before_);
  }
  Handler(const Handler&) = delete;
  Handler& operator=(const Handler&) = delete;
  ~Handler() { ::sigaction(SIGUSR1, &before_, nullptr); }

 private:
  struct sigaction before_ {};
};

struct Times {
  std::vector<double> wall_ms;
  double most_cpu_ms = 0.0;

  void add(std::uint64_t wall_ns, std::uint64_t cpu_ns) {
    wall_ms.push_back(static_cast<double>(wall_ns) / 1e6);
    most_cpu_ms = std::max(most_cpu_ms, static_cast<double>(cpu_ns) / 1e6);
  }
  void print() {
    std::sort(wall_ms.begin(), wall_ms.end());
    std::printf("stopped writer: a drain took %.3f ms (median), %.3f ms (longest), %.3f ms of CPU time (most)\n",
                wall_ms[wall_ms.size() / 2], wall_ms.back(), most_cpu_ms);
  }
};

}  // namespace

TEST_CASE("stopped: with a writer held inside a record, drains return, others are seen at once, and nothing is lost") {
  const bool allow_membarrier = GENERATE(true, false);
  const std::uint64_t from = seed();
  CAPTURE(from, allow_membarrier);
  const Handler handler;
  Random random(from);
  const Mix mix(from, Mode::kDaemon);
  Recorder recorder({.threads = 2, .mode = Mode::kDaemon, .allow_membarrier = allow_membarrier});
  Reader reader = recorder.add_reader();
  Worker other = recorder.attach();
  Tally others(from);
  Writer writer(recorder, mix, from);
  Audit audit;
  Window window;
  Times times;
  std::uint64_t signals = 0;
  std::uint64_t late = 0;     // windows without the last requests of the other slot
  std::uint64_t resumed = 0;  // drains that returned only after the writer went on
  std::uint64_t seen = 0;     // requests of the writer in windows
  std::uint64_t missing = 0;  // rounds after which a drain lacked requests
  const std::uint64_t rounds = tier(300, 3'000);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    signals += writer.stop();
    {
      const Watchdog watchdog(writer);
      for (std::uint64_t drains = 1 + random() % 5; drains > 0; --drains) {
        other.begin(1).finish(mix[others.next()], 1);
        const std::uint64_t wall_ns = monotonic_ns();
        const std::uint64_t cpu_ns = thread_cpu_ns();
        const bool drained = reader.drain(window).ok();
        times.add(monotonic_ns() - wall_ns, thread_cpu_ns() - cpu_ns);
        resumed += !drained || !writer.stopped() ? 1 : 0;
        late += window.slots[0].completed != 1 ? 1 : 0;
        seen += window.slots[1].completed;
        audit.add(window);
      }
    }
    const std::uint64_t at_least = writer.recorded() + 1;
    writer.go();
    // The kernel may have stopped the writer inside another record, so that a drain defers the bank again; the next
    // drain collects it if the writer has gone on in between. So the loop counts the moves of the writer and not the
    // drains. A move during a drain may come too late for it. On a busy machine nearly every drain finds the writer
    // stopped by the kernel, mostly inside a record; hence the large bound.
    constexpr int kMoves = 1024;
    std::uint64_t served = writer.served();
    for (int moves = 0; seen < at_least && moves < kMoves;) {
      if (!reader.drain(window).ok()) break;
      seen += window.slots[1].completed;
      audit.add(window);
      const std::uint64_t now = writer.served();
      moves += now > served + 1 ? 1 : 0;
      served = now;
      std::this_thread::yield();
    }
    missing += seen < at_least ? 1 : 0;
  }
  Tally all = writer.join();
  all.add(others);
  if (reader.drain(window).ok()) audit.add(window);
  audit.print("stopped writer", 1);
  times.print();
  std::printf("stopped writer: %llu times, by %llu signals\n", static_cast<unsigned long long>(rounds),
              static_cast<unsigned long long>(signals));
  CHECK(resumed == 0);
  CHECK(late == 0);
  CHECK(missing == 0);
  CHECK(times.most_cpu_ms < 10.0);
  CHECK(audit.first_broken() == "");
  CHECK(mix.counts(all.served()).difference(audit.counts()) == "");
  CHECK(recorder.totals().request_count == audit.counts().requests);
}

}  // namespace sluice::test

#endif
