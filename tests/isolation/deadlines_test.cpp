// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/deadlines.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "adapters/daemon/channel.hpp"
#include "sluice/clock.hpp"
#include "tests/catch.hpp"

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

/// Ends a connection from its other side, so that a test of a deadline that does not hold fails instead of hanging.
constexpr std::uint64_t kEndLater = 60'000 * kMillisecond;
void end_later(int socket) {
  std::thread([socket = ::dup(socket)] {
    std::this_thread::sleep_for(std::chrono::nanoseconds(kEndLater));
    ::shutdown(socket, SHUT_RDWR);
    ::close(socket);
  }).detach();
}

/// Voluntary context switches of all threads of this process.
long context_switches() {
  long sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("voluntary_ctxt_switches:")) sum += std::stol(line.substr(line.find(':') + 1));
    }
  }
  return sum;
}

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
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // signals are sent before the call begins
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
  threads.reserve(kThreads);
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
        // ThreadSanitizer keeps a signal until the thread does something atomic. Without it this delivers nothing.
        static_cast<void>(late.load());
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
  threads.reserve(kThreads);
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

TEST_CASE("deadlines: a handler that restarts calls, and a signal that is ignored, are put right") {
  const Watching watching;
  const Pair pair;
  struct sigaction action {};
  SECTION("restarts") {
    action.sa_handler = count_signal;
    action.sa_flags = SA_RESTART;
  }
  SECTION("ignored") { action.sa_handler = SIG_IGN; }
  SECTION("default") { action.sa_handler = SIG_DFL; }
  ::sigaction(SIGURG, &action, nullptr);
  end_later(pair.ends[1]);
  char byte = 0;
  const BlockingScope scope(monotonic_ns() + 5 * kMillisecond);
  CHECK(::recv(pair.ends[0], &byte, 1, 0) == -1);
  CHECK(errno == EINTR);
}

namespace {

/// Unblocks the signal for the calling thread, as its first scope does, and the first one after a deadline has passed.
/// The deadline of this scope is far away, so that the next scope leaves blocked what the test blocks.
void unblock_signal() { const BlockingScope scope(monotonic_ns() + kLate); }

}  // namespace

TEST_CASE("deadlines: a thread that blocks the signal has its connection shut down, and receives the next signal") {
  const Watching watching;
  const Pair pair;
  end_later(pair.ends[1]);
  std::thread([&] {
    char byte = 0;
    unblock_signal();
    sigset_t urgent;
    ::sigemptyset(&urgent);
    ::sigaddset(&urgent, SIGURG);
    ::pthread_sigmask(SIG_BLOCK, &urgent, nullptr);
    {
      const std::uint64_t begun_ns = monotonic_ns();
      const BlockingScope scope(begun_ns + 5 * kMillisecond, pair.ends[0]);
      CHECK(::recv(pair.ends[0], &byte, 1, 0) == 0);
      CHECK(monotonic_ns() - begun_ns < kEndLater);
    }
    const Pair another;
    end_later(another.ends[1]);
    const BlockingScope scope(monotonic_ns() + 5 * kMillisecond);
    CHECK(::recv(another.ends[0], &byte, 1, 0) == -1);
  }).join();
}

TEST_CASE("deadlines: the watcher sleeps while no thread blocks, and misses none that begins to") {
  const Watching watching;
  const auto quiet = std::chrono::nanoseconds(DeadlineWatcher::kQuietTicks * kTick);
  SECTION("sleeps") {
    std::this_thread::sleep_for(3 * quiet + std::chrono::milliseconds(50));
    const long before = context_switches();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    CHECK(context_switches() - before < 50);
  }
  SECTION("misses none") {
    const Pair pair;
    const timeval failure = {.tv_sec = 5, .tv_usec = 0};
    ::setsockopt(pair.ends[0], SOL_SOCKET, SO_RCVTIMEO, &failure, sizeof failure);
    std::mt19937 random(1);
    for (int round = 0; round < 100; ++round) {
      // About when the watcher goes to sleep.
      std::this_thread::sleep_for(quiet + std::chrono::microseconds(random() % 4'000) - std::chrono::milliseconds(2));
      char byte = 0;
      const BlockingScope scope(monotonic_ns() + kMillisecond);
      CHECK(::recv(pair.ends[0], &byte, 1, 0) == -1);
      REQUIRE(errno == EINTR);
    }
  }
}

TEST_CASE("channel: a deadline that has passed ends a call that would not block") {
  const Watching watching;
  Pair pair;
  Channel channel(pair.ends[0], Sender::kDaemon, 1);
  pair.ends[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  channel.end_at(monotonic_ns());
  SECTION("data has arrived") {
    const FrameHeader header = frame_header(FrameType::kEnd, 0);
    REQUIRE(::send(pair.ends[1], &header, sizeof header, MSG_NOSIGNAL) == sizeof header);
    CHECK(absl::IsDeadlineExceeded(channel.next().status()));
  }
  SECTION("there is room for data") { CHECK(absl::IsDeadlineExceeded(channel.send(FrameType::kData, "data"))); }
}

TEST_CASE("channel: a thread that blocks the signal sees that its deadline has passed") {
  const Watching watching;
  Pair pair;
  Channel channel(pair.ends[0], Sender::kDaemon, 0);
  pair.ends[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  end_later(pair.ends[1]);
  std::thread([&] {
    unblock_signal();
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    const std::uint64_t begun_ns = monotonic_ns();
    channel.end_at(begun_ns + 10 * kMillisecond);
    CHECK(absl::IsDeadlineExceeded(channel.next().status()));
    CHECK(monotonic_ns() - begun_ns < kEndLater);
  }).join();
}

TEST_CASE("channel: a deadline that shuts the socket down after a part was sent is reported as a deadline") {
  const Watching watching;
  Pair pair;
  Channel channel(pair.ends[0], Sender::kDaemon, 0);
  pair.ends[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  end_later(pair.ends[1]);
  std::thread([&] {
    unblock_signal();
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    channel.end_at(monotonic_ns() + 200 * kMillisecond);  // nothing is sent after it
    // More than the buffer of the socket takes, so the call returns the part that it has sent.
    const std::string block(1U << 20, 'x');
    CHECK(absl::IsDeadlineExceeded(channel.send(FrameType::kData, block)));
    // With a later end, only the shutdown of the socket remains.
    channel.end_at(kNever);
    CHECK(absl::IsDeadlineExceeded(channel.send(FrameType::kData, block)));
    CHECK(absl::IsDeadlineExceeded(channel.send_at_once("frames").status()));
    CHECK(absl::IsDeadlineExceeded(channel.next().status()));
  }).join();
}

TEST_CASE("channel: a connection that is made after its deadline has shut the socket down is none") {
  const Watching watching;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = "/tmp/sluice-deadlines." + std::to_string(::getpid());
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::unlink(path.c_str());
  REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 0) == 0);
  Channel first(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), Sender::kDaemon, 0);
  REQUIRE(first.connect(path.c_str(), kNever).ok());  // the backlog is full now
  std::thread([&] {
    unblock_signal();
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
    std::thread room([&] {
      std::this_thread::sleep_for(std::chrono::seconds(2));
      ::close(::accept(listener, nullptr, nullptr));
    });
    Channel second(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), Sender::kDaemon, 0);
    CHECK(absl::IsDeadlineExceeded(second.connect(path.c_str(), monotonic_ns() + 10 * kMillisecond)));
    room.join();
  }).join();
  ::close(listener);
  ::unlink(path.c_str());
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
    Pair another;
    Channel endless(another.ends[0], Sender::kDaemon, 0);
    another.ends[0] = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    end_later(another.ends[1]);
    const std::uint64_t begun_ns = monotonic_ns();
    endless.end_at(begun_ns + 10 * kMillisecond);
    CHECK(absl::IsDeadlineExceeded(endless.next().status()));
    CHECK(monotonic_ns() - begun_ns < kEndLater);
  }
  SECTION("a receiver that takes nothing") {
    const std::string block(1U << 20, 'x');
    absl::Status status;
    for (int i = 0; i < 100 && status.ok(); ++i) status = channel.send(FrameType::kData, block);
    CHECK(absl::IsDeadlineExceeded(status));
  }
}
