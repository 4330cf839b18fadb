// SPDX-License-Identifier: Apache-2.0
#include "sluice/detail/epoch_reader.hpp"

#include <bit>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "expected.hpp"
#include "random.hpp"
#include "rig.hpp"
#include "stepping.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// A heavy fence that fails a given number of times, and runs a given function before it succeeds.
struct FailingFence {
  static inline int failures = 0;
  static inline std::function<void()> before;

  static void light() noexcept {}
  [[nodiscard]] static bool heavy() {
    if (failures > 0 && failures-- > 0) return false;
    if (before) std::exchange(before, nullptr)();
    return true;
  }
};

/// A rig on one thread whose requests can be told apart in every window, because request n has 2^n bytes of output.
/// Slot 0 is stopped in the middle of records; slot 1 records undisturbed.
class Bench {
 public:
  Bench() {
    rig_.claim(0);
    rig_.claim(1);
  }

  void advance(std::uint64_t ns) { now_ns_ += ns; }

  /// Serves one request of `ns` on a slot.
  void serve(std::size_t slot, std::uint64_t ns) {
    const std::uint64_t start_ns = now_ns_;
    rig_.begin(slot, start_ns);
    now_ns_ += ns;
    finish(slot, start_ns);
  }

  /// Does the same, but stops before the given operation of the record and runs `meanwhile`. Returns false if the
  /// record has fewer operations.
  bool serve_stopped(std::uint64_t ns, std::uint64_t operation, const std::function<void()>& meanwhile) {
    const std::uint64_t start_ns = now_ns_;
    rig_.begin(0, start_ns);
    now_ns_ += ns;
    Steps::stop_at(operation, meanwhile);
    finish(0, start_ns);
    const bool reached = Steps::taken() > operation;
    Steps::stop_at(UINT64_MAX, nullptr);
    return reached;
  }

  /// Makes a cut that waits for no writer, and checks its window if the fence succeeds.
  bool cut() {
    if (!rig_.cut<FailingFence>(now_ns_, window_, never_wait)) return false;
    if (std::string broken = broken_identity(window_); !broken.empty()) complain(broken);
    check_contents();
    check_slot(0);
    check_slot(1);
    window_ = rig_.empty_window();
    return true;
  }

  /// Returns the number of requests of a slot that no window has shown.
  [[nodiscard]] int missing(std::size_t slot) const {
    int count = 0;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      count += requests_[i].slot == slot && requests_[i].recorded && (seen_ & (1ULL << i)) == 0 ? 1 : 0;
    }
    return count;
  }

  /// Returns the busy time that windows have shown for a slot, and the time of its requests.
  [[nodiscard]] std::uint64_t shown_ns(std::size_t slot) const { return shown_ns_[slot]; }
  [[nodiscard]] std::uint64_t served_ns(std::size_t slot) const {
    std::uint64_t sum = 0;
    for (const Served& served : requests_) sum += served.slot == slot ? served.duration_ns : 0;
    return sum;
  }

  [[nodiscard]] const std::string& complaint() const { return complaint_; }
  [[nodiscard]] const SlotWindow& last(std::size_t slot) const { return last_[slot]; }
  Rig<SteppingAtomics>& rig() { return rig_; }

 private:
  struct Served {
    std::size_t slot;
    std::uint64_t duration_ns;
    Completion done;
    bool recorded;
  };

  void finish(std::size_t slot, std::uint64_t start_ns) {
    const std::size_t n = requests_.size();
    Completion done = any_completion(random_, rig_.mode());
    done.output_bytes = 1ULL << n;
    requests_.push_back({slot, now_ns_ - start_ns, done, false});
    rig_.record<FailingFence>(slot, start_ns, now_ns_, done);
    requests_[n].recorded = true;
  }

  /// Checks that the window consists of whole requests, each for the first time.
  void check_contents() {
    const std::uint64_t inside = window_.get<&Completion::output_bytes>();
    if ((inside & seen_) != 0) complain("a request twice");
    seen_ |= inside;
    Counts expected;
    std::uint64_t longest[2] = {};
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if ((inside & (1ULL << i)) == 0) continue;
      expected.add(requests_[i].done, rig_.mode());
      std::uint64_t& slot = longest[requests_[i].slot];
      slot = std::max(slot, requests_[i].duration_ns);
    }
    if (std::string diff = expected.difference(Counts::of(window_)); !diff.empty()) complain(diff);
    for (const std::size_t slot : {0U, 1U}) {
      if (by_slot(window_, slot, BySlot::kMaxDurationNs) != longest[slot]) complain("longest request");
    }
  }

  void check_slot(std::size_t slot) {
    const SlotWindow& now = window_.slots[slot];
    if (now.busy_ns > window_.elapsed_ns) complain("busy for longer than the window");
    if (now.in_flight && now.busy_ns < std::min(now.current_elapsed_ns, window_.elapsed_ns)) {
      complain("in a request, but not busy");
    }
    shown_ns_[slot] += window_.slots[slot].busy_ns;
    last_[slot] = window_.slots[slot];
  }

  void complain(const std::string& what) {
    if (complaint_.empty()) complaint_ = what;
  }

  Random random_{7};
  Rig<SteppingAtomics> rig_{2};
  Window window_ = rig_.empty_window();
  std::uint64_t now_ns_ = Rig<SteppingAtomics>::kStartNs;
  std::vector<Served> requests_;
  std::uint64_t seen_ = 0;
  std::uint64_t shown_ns_[2] = {};
  SlotWindow last_[2];
  std::string complaint_;
};

/// Cuts while slot 0 is stopped. Slot 1 must be in each window.
std::function<void()> cuts(Bench& bench, int count) {
  return [&bench, count] {
    for (int i = 0; i < count; ++i) {
      bench.serve(1, 70);
      bench.advance(1'000);
      bench.cut();
      if (bench.missing(1) != 0) FAIL("the other slot had to wait");
    }
  };
}

/// Checks the end: one cut has all requests, and a long one the rest of the busy time.
void check_end(Bench& bench) {
  bench.advance(1'000);
  bench.cut();
  if (bench.missing(0) != 0) FAIL(bench.missing(0) << " requests missing");
  bench.advance(1'000'000);
  bench.cut();
  for (const std::size_t slot : {0U, 1U}) {
    if (bench.shown_ns(slot) < bench.served_ns(slot)) FAIL("busy time is missing");
  }
  if (!bench.complaint().empty()) FAIL(bench.complaint());
}

}  // namespace

TEST_CASE(
    "epoch reader: a writer stopped at any step of a record, over any number of cuts, loses and doubles nothing") {
  std::uint64_t steps = 0;
  for (bool more = true; more; ++steps) {
    for (int count = 1; count <= 5; ++count) {
      CAPTURE(steps, count);
      Bench bench;
      bench.serve(0, 500'000);
      bench.cut();
      bench.cut();
      bench.serve(0, 90);
      more = bench.serve_stopped(100, steps, cuts(bench, count));
      bench.serve(0, 110);
      bench.cut();
      bench.serve(0, 120);
      check_end(bench);
    }
  }
  CHECK(steps > 30);
}

TEST_CASE("epoch reader: a writer stopped in two records, one after the other, loses and doubles nothing") {
  const std::uint64_t stride = long_run() ? 1 : 3;
  std::uint64_t schedules = 0;
  for (int code = 0; code < 27; ++code) {
    const int before = code % 3;
    const int first = 1 + code / 3 % 3;
    const int second = 1 + code / 9;
    bool more = true;
    for (std::uint64_t i = 0; more; i += stride) {
      bool more_second = true;
      for (std::uint64_t k = 0; more_second; k += stride, ++schedules) {
        CAPTURE(before, first, second, i, k);
        Bench bench;
        bench.serve(0, 500'000);
        cuts(bench, before)();
        more = bench.serve_stopped(100, i, cuts(bench, first));
        more_second = bench.serve_stopped(200, k, cuts(bench, second));
        bench.serve(0, 300);
        check_end(bench);
      }
    }
  }
  CHECK(schedules > 5'000);
}

TEST_CASE("epoch reader: any schedule of stopped records, cuts and failing fences keeps every window exact") {
  const std::uint64_t from = seed();
  const std::uint64_t runs = long_run() ? 200'000 : 5'000;
  for (std::uint64_t run = 0; run < runs; ++run) {
    CAPTURE(from, run);
    Random random(from + run);
    Bench bench;
    const auto some_cuts = [&] {
      for (std::uint64_t n = random() % 4; n > 0; --n) {
        if (random() % 2 == 0) bench.serve(1, random() % 500);
        bench.advance(random() % 2'000);
        FailingFence::failures = random() % 4 == 0 ? static_cast<int>(random() % 3) : 0;
        bench.cut();
      }
    };
    for (std::uint64_t n = 3 + random() % 12; n > 0; --n) {
      some_cuts();
      bench.serve_stopped(random() % 1'000, random() % 70, some_cuts);
    }
    FailingFence::failures = 0;
    bench.cut();  // completes the interrupted cut
    check_end(bench);
  }
}

TEST_CASE("epoch reader: a cut whose fence fails is taken up again, and no window is lost") {
  Bench bench;
  bench.serve(0, 100);
  FailingFence::failures = 3;
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(bench.cut());
    bench.serve(0, 100);  // in the next epoch
  }
  CHECK(bench.missing(0) == 4);
  CHECK(bench.cut());
  CHECK(bench.missing(0) == 3);
  CHECK(bench.cut());
  CHECK(bench.missing(0) == 0);
  check_end(bench);
}

TEST_CASE("epoch reader: a slot that is claimed while a cut is under way is in it if it recorded in its epoch") {
  Rig<SteppingAtomics> rig(2);
  rig.claim(0);
  Window window = rig.empty_window();
  const Completion done{.request_us = 4'000};
  FailingFence::before = [&] {
    // The writer read the epoch just before the cut closed it.
    const std::uint64_t open = rig.epoch().value.load(std::memory_order_relaxed);
    rig.epoch().value.store(open - 1, std::memory_order_relaxed);
    rig.claim(1);
    rig.record<FailingFence>(1, rig.kStartNs, rig.kStartNs + 5, done);
    rig.epoch().value.store(open, std::memory_order_relaxed);
  };
  REQUIRE(rig.cut<FailingFence>(rig.kStartNs + 10, window, never_wait));
  CHECK(broken_identity(window).empty());
  CHECK(window.request_count == 1);
  CHECK(window.slots[1].completed == 1);
  CHECK(phase_of(window, Phase::kRequest).max() == 4'000);
}

TEST_CASE("epoch reader: a request that ends between the cut and the look at its slot was busy up to the cut") {
  const bool next_begins = GENERATE(false, true);
  Rig<SteppingAtomics> rig(1);
  rig.claim(0);
  const std::uint64_t start_ns = rig.kStartNs;
  rig.begin(0, start_ns + 10);
  FailingFence::before = [&] {
    rig.record<FailingFence>(0, start_ns + 10, start_ns + 107, {});
    rig.begin(0, start_ns + 108);
    if (next_begins) return;
    rig.record<FailingFence>(0, start_ns + 108, start_ns + 109, {});
  };
  Window first = rig.empty_window();
  REQUIRE(rig.cut<FailingFence>(start_ns + 100, first, never_wait));
  CHECK(first.request_count == 0);
  CHECK(first.slots[0].in_flight);
  CHECK(first.slots[0].current_elapsed_ns == 90);
  CHECK(first.slots[0].busy_ns == 90);
  Window second = rig.empty_window();
  REQUIRE(rig.cut<FailingFence>(start_ns + 200, second, never_wait));
  CHECK(second.slots[0].in_flight == next_begins);
  CHECK(second.slots[0].busy_ns == (next_begins ? 7 + 92 : 7 + 1));
}

TEST_CASE("epoch reader: a writer that moves on while the cut waits for it is not deferred") {
  Rig<SteppingAtomics> rig(1);
  rig.claim(0);
  Window window = rig.empty_window();
  rig.slot(0).header.sequence.store(7, std::memory_order_relaxed);
  int turns = 0;
  const auto moves_on = [&] {
    if (++turns == 3) rig.slot(0).header.sequence.store(8, std::memory_order_relaxed);
    return true;
  };
  REQUIRE(rig.cut<FailingFence>(rig.kStartNs + 10, window, moves_on));
  CHECK(turns == 3);
}

TEST_CASE("epoch reader: a record that was waited for once is not waited for again") {
  Rig<SteppingAtomics> rig(1);
  rig.claim(0);
  Window window = rig.empty_window();
  rig.slot(0).header.sequence.store(7, std::memory_order_relaxed);
  int turns = 0;
  const auto wait_some_turns = [&turns] { return ++turns % 10 != 0; };
  for (int i = 0; i < 5; ++i) REQUIRE(rig.cut<FailingFence>(rig.kStartNs + 10, window, wait_some_turns));
  CHECK(turns == 10);
}

TEST_CASE("epoch reader: a request whose record is stopped counts as in flight") {
  Bench bench;
  bench.advance(10);
  bench.serve_stopped(100, 5, [&] {
    bench.advance(50);
    bench.cut();
    CHECK(bench.last(0).in_flight);
    CHECK(bench.last(0).completed == 0);
    CHECK(bench.last(0).current_elapsed_ns == 150);
  });
  bench.cut();
  CHECK(bench.last(0).completed == 1);
  CHECK_FALSE(bench.last(0).in_flight);
  check_end(bench);
}

TEST_CASE("epoch reader: a busy account gives every window its part and no more") {
  detail::BusyAccount account;
  CHECK(account.settle(30, 0, 100) == 30);
  CHECK(account.settle(30, 0, 100) == 0);
  CHECK(account.settle(25, 0, 100) == 0);     // a request that turned out shorter
  CHECK(account.settle(180, 0, 100) == 100);  // at most the window's length is credited; the rest follows
  CHECK(account.settle(180, 0, 100) == 50);
  CHECK(account.settle(180, 0, 0) == 0);
  CHECK(account.credited_ns == 180);
  CHECK(account.settle(180, 70, 100) == 70);
  CHECK(account.settle(180, 90, 100) == 90);  // another request is in flight; the end of the last one is unknown
  CHECK(account.settle(270, 900, 100) == 100);
  CHECK(account.settle(360, 0, 100) == 0);  // its end is known now, and its time was credited before
  CHECK(account.settle(450, 0, 100) == 10);
}

TEST_CASE("slot: it is plain memory of the size of its schema, whose empty state is all zero") {
  using detail::StdAtomics;
  using Slot = detail::Slot<StdAtomics, Completion>;
  STATIC_REQUIRE(sizeof(Slot) <= std::size_t{16} * 1024);
  STATIC_REQUIRE(sizeof(detail::Slot<StdAtomics, http::Request>) <= std::size_t{2} * 1024);
  STATIC_REQUIRE(std::is_standard_layout_v<Slot>);
  STATIC_REQUIRE(std::is_standard_layout_v<detail::Epoch<StdAtomics>>);
  STATIC_REQUIRE(std::is_trivially_destructible_v<Slot>);
  STATIC_REQUIRE(sizeof(Slot) == sizeof(detail::Slot<detail::PlainAtomics, Completion>));
  STATIC_REQUIRE(alignof(Slot) >= 128);
  STATIC_REQUIRE(offsetof(Slot, header) == 0);
  STATIC_REQUIRE(offsetof(detail::SlotHeader<StdAtomics>, sequence) == 0);

  Rig<StdAtomics> rig(3);
  Window window = rig.empty_window();
  for (int i = 0; i < 20; ++i) {
    rig.claim(1);
    rig.record<detail::SymmetricFence>(1, rig.kStartNs, rig.kStartNs + 9, {.request_us = 9});
    REQUIRE(rig.cut<detail::SymmetricFence>(rig.kStartNs + 10, window, never_wait));
  }
  CHECK(window.request_count == 20);

  Rig<StdAtomics> wiped(3);
  for (std::size_t i = 0; i < 3; ++i) {
    wiped.claim(i);
    wiped.record<detail::SymmetricFence>(i, wiped.kStartNs, wiped.kStartNs + 9, {.request_us = 9});
    std::memset(static_cast<void*>(&wiped.slot(i)), 0, sizeof wiped.slot(i));
    wiped.claim(i);
  }
  window = wiped.empty_window();
  REQUIRE(wiped.cut<detail::SymmetricFence>(wiped.kStartNs + 10, window, never_wait));
  CHECK(window.request_count == 0);
  for (const SlotWindow& slot : window.slots) CHECK_FALSE(slot.in_flight);
  wiped.record<detail::SymmetricFence>(2, wiped.kStartNs + 10, wiped.kStartNs + 12, {.request_us = 2});
  REQUIRE(wiped.cut<detail::SymmetricFence>(wiped.kStartNs + 20, window, never_wait));
  CHECK(window.request_count == 1);
  CHECK(phase_of(window, Phase::kRequest).max() == 2);
}

}  // namespace sluice::test
