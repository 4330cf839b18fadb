#include "adapters/daemon/deadlines.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <random>
#include <thread>
#include <vector>

#include "adapters/daemon/channel.hpp"
#include "sluice/clock.hpp"

namespace {

using namespace sluice;
using namespace sluice::daemon;

constexpr std::uint64_t kMillisecond = 1'000'000;
constexpr std::uint64_t kTick = kMillisecond;
/// Generous, because sanitizers and a loaded machine are slow.
constexpr std::uint64_t kLate = 10'000 * kMillisecond;

thread_local volatile sig_atomic_t signals_received = 0;
void count_signal(int) { signals_received = signals_received + 1; }

/// A watcher with a short tick, whose signals are counted for each thread.
class Watching {
 public:
  Watching() {
    REQUIRE(DeadlineWatcher::start(kTick));
    struct sigaction action {};
    action.sa_handler = count_signal;
    ::sigaction(SIGURG, &action, nullptr);
  }
  ~Watching() { DeadlineWatcher::stop(); }
};

struct Pair {
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0); }
  ~Pair() {
    ::close(ends[0]);
    ::close(ends[1]);
  }
  std::array<int, 2> ends{};
};

}  // namespace

TEST_CASE("deadlines: a call that would block for ever returns soon after its deadline") {
  const Watching watching;
  const Pair pair;
  for (int round = 0; round < 20; ++round) {
    const std::uint64_t begun_ns = monotonic_ns();
    const std::uint64_t deadline_ns = begun_ns + 5 * kMillisecond;
    char byte = 0;
    ssize_t size = 0;
    {
      const BlockingScope scope(deadline_ns);
      size = ::recv(pair.ends[0], &byte, 1, 0);
    }
    CHECK(size == -1);
    CHECK(errno == EINTR);
    CHECK(monotonic_ns() >= deadline_ns);
    CHECK(monotonic_ns() < begun_ns + kLate);
  }
}

TEST_CASE("deadlines: a deadline that passed before the call began interrupts it, too") {
  const Watching watching;
  const Pair pair;
  char byte = 0;
  const BlockingScope scope(0);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // signals come before the call
  CHECK(::recv(pair.ends[0], &byte, 1, 0) == -1);
}

TEST_CASE("deadlines: threads that block signals receive this one") {
  const Watching watching;
  const Pair pair;
  ssize_t size = 0;
  std::thread([&] {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    char byte = 0;
    const BlockingScope scope(monotonic_ns() + kMillisecond);
    size = ::recv(pair.ends[0], &byte, 1, 0);
  }).join();
  CHECK(size == -1);
}

TEST_CASE("deadlines: no signal comes after the end of a scope") {
  const Watching watching;
  constexpr int kThreads = 8;
  constexpr int kRounds = 1'500;
  std::atomic<int> late{0};
  std::atomic<int> interrupted{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, number] {
      std::mt19937 random(static_cast<unsigned>(number));
      for (int round = 0; round < kRounds; ++round) {
        const sig_atomic_t before = signals_received;
        {
          const BlockingScope scope(monotonic_ns() + random() % (2 * kTick));
          const timespec moment = {0, static_cast<long>(random() % (2 * kTick))};
          ::nanosleep(&moment, nullptr);
        }
        const sig_atomic_t inside = signals_received;
        if (inside != before) interrupted.fetch_add(1);
        // A signal that was sent to this thread is delivered in one of these calls at the latest.
        for (int i = 0; i < 20; ++i) ::sched_yield();
        if (signals_received != inside) late.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(interrupted.load() > kThreads);
  CHECK(late.load() == 0);
}

TEST_CASE("deadlines: threads that come and go leave their slots to others") {
  const Watching watching;
  for (int round = 0; round < 200; ++round) {
    std::thread([] { const BlockingScope scope(monotonic_ns() + kMillisecond); }).join();
  }
  const Pair pair;
  std::atomic<int> interrupted{0};
  std::vector<std::thread> threads;
  constexpr int kThreads = 100;  // more than a chunk of slots
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&] {
      char byte = 0;
      const BlockingScope scope(monotonic_ns() + 50 * kMillisecond);
      if (::recv(pair.ends[0], &byte, 1, 0) == -1 && errno == EINTR) interrupted.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(interrupted.load() == kThreads);
}

TEST_CASE("channel: silence, a frame that trickles in, and a whole exchange end at their deadlines") {
  const Watching watching;
  Pair pair;
  Channel channel(pair.ends[0], Sender::kDaemon, 1);
  pair.ends[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  SECTION("silence") { CHECK(absl::IsDeadlineExceeded(channel.next().status())); }
  SECTION("a head, byte by byte") {
    std::thread sender([end = pair.ends[1]] {
      const std::string head(100, 'x');
      const FrameHeader header = frame_header(FrameType::kResponse, head.size());
      std::string bytes(bytes_of(header));
      bytes += head;
      for (const char byte : bytes) {
        if (::send(end, &byte, 1, MSG_NOSIGNAL) != 1) return;
        std::this_thread::sleep_for(std::chrono::milliseconds(30));  // 3.2 s for all of it
      }
    });
    const absl::StatusOr<Frame> frame = channel.next();
    const absl::Status status = frame.ok() ? channel.read(frame->size).status() : frame.status();
    CHECK(absl::IsDeadlineExceeded(status));
    ::shutdown(pair.ends[1], SHUT_WR);
    sender.join();
  }
  SECTION("the exchange") {
    channel.end_at(monotonic_ns() + 10 * kMillisecond);
    const std::uint64_t begun_ns = monotonic_ns();
    CHECK(absl::IsDeadlineExceeded(channel.next().status()));
    CHECK(monotonic_ns() - begun_ns < 900 * kMillisecond);
  }
  SECTION("a receiver that takes nothing") {
    const std::string block(1U << 20, 'x');
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) status = channel.send({block});
    CHECK(absl::IsDeadlineExceeded(status));
  }
}
