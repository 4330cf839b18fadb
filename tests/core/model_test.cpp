// SPDX-License-Identifier: Apache-2.0
#include "model.hpp"
#include "phases.hpp"

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "random.hpp"
#include "sluice/manual_clock.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// A recorder and its model, driven by the same random schedule.
class Pair {
 public:
  Pair(std::uint64_t seed, Mode mode)
      : random_(seed),
        mode_(mode),
        threads_(1 + random_() % 5),
        recorder_({.threads = threads_, .mode = mode, .clock = &clock_, .allow_membarrier = seed % 2 == 0}),
        model_(threads_, mode, clock_.monotonic_ns()) {}

  /// Makes one random step. Returns the first difference, or nothing.
  std::string step() {
    switch (random_() % 16) {
      case 0:
        return attach();
      case 1:
        return detach();
      case 2:
      case 3:
      case 4:
      case 5:
        return begin();
      case 6:
      case 7:
      case 8:
      case 9:
        return finish();
      case 10:
      case 11:
        return advance();
      case 12:
      case 13:
        return drain();
      case 14:
        return random_() % 3 == 0 ? change_readers() : drain();
      default:
        return model_.difference(recorder_.totals());
    }
  }

 private:
  struct Thread {
    Worker worker;
    std::vector<std::pair<Request, std::size_t>>
        requests;  ///< Requests with their numbers in the model, nested ones last.
  };
  struct Drainer {
    Reader reader;
    std::size_t from;  ///< First cut of its next window.
  };

  std::string attach() {
    if (threads_alive_.size() > threads_ + 2) return {};
    if (random_() % 3 == 0) {
      Result<Worker> worker = recorder_.attach(random_() % (threads_ + 1));
      if (worker.ok()) add_thread(*std::move(worker));
    } else {
      add_thread(recorder_.attach());
    }
    return {};
  }

  void add_thread(Worker worker) {
    if (worker.has_slot()) model_.attached(worker.slot());
    threads_alive_.push_back(std::make_unique<Thread>(Thread{std::move(worker), {}}));
  }

  Thread* any_thread() {
    return threads_alive_.empty() ? nullptr : threads_alive_[random_() % threads_alive_.size()].get();
  }

  std::string detach() {
    if (threads_alive_.empty()) return {};
    const auto which = threads_alive_.begin() + static_cast<std::ptrdiff_t>(random_() % threads_alive_.size());
    if ((*which)->requests.empty()) threads_alive_.erase(which);
    return {};
  }

  std::string begin() {
    Thread* const thread = any_thread();
    if (thread == nullptr || thread->requests.size() > 3) return {};
    const bool own = thread->worker.has_slot() && !slot_busy(*thread);
    const std::size_t number = model_.begin(own ? std::optional(thread->worker.slot()) : std::nullopt);
    if (own) owner_[thread] = number;
    thread->requests.emplace_back(thread->worker.begin(), number);
    return {};
  }

  /// Returns true while the request in the slot itself is in flight.
  bool slot_busy(Thread& thread) {
    const auto owner = owner_.find(&thread);
    if (owner == owner_.end()) return false;
    return std::any_of(thread.requests.begin(), thread.requests.end(),
                       [&](const auto& entry) { return entry.second == owner->second; });
  }

  std::string finish() {
    Thread* const thread = any_thread();
    if (thread == nullptr || thread->requests.empty()) return {};
    // Requests end in any order: an outer request may end before the one inside it.
    auto& [request, number] = thread->requests[random_() % thread->requests.size()];
    if (random_() % 8 == 0) {
      model_.finish(number, {.status = 0});
      Request dropped = std::move(request);
    } else {
      const Completion done = any_completion(random_, mode_);
      model_.finish(number, done);
      request.finish(done);
    }
    std::vector<std::pair<Request, std::size_t>> rest;
    for (auto& entry : thread->requests) {
      if (&entry.second != &number) rest.emplace_back(std::move(entry.first), entry.second);
    }
    thread->requests.swap(rest);
    return {};
  }

  std::string advance() {
    const std::uint64_t ns = any_size(random_, 36);
    clock_.advance_ns(ns);
    model_.advance(ns);
    if (random_() % 10 == 0) clock_.step_wall_ns(static_cast<std::int64_t>(any_size(random_, 40)));
    return {};
  }

  std::string drain() {
    if (readers_.empty()) return {};
    Drainer& drainer = *std::next(readers_.begin(), static_cast<std::ptrdiff_t>(random_() % readers_.size()));
    const Result<Window> window = drainer.reader.drain();
    if (!window.ok()) return std::string(window.status().message());
    model_.cut();
    if (std::string broken = broken_identity(*window); !broken.empty()) return broken;
    return model_.difference(*window, std::exchange(drainer.from, model_.cuts()));
  }

  std::string change_readers() {
    if (readers_.size() < 3 && random_() % 2 == 0) {
      Reader reader = recorder_.add_reader();
      model_.cut();
      readers_.push_back({std::move(reader), model_.cuts()});
    } else if (!readers_.empty()) {
      readers_.erase(std::next(readers_.begin(), static_cast<std::ptrdiff_t>(random_() % readers_.size())));
    }
    return {};
  }

  Random random_;
  Mode mode_;
  std::size_t threads_;
  ManualClock clock_;
  Recorder recorder_;
  Model model_;
  std::vector<std::unique_ptr<Thread>> threads_alive_;
  std::map<Thread*, std::size_t> owner_;
  std::list<Drainer> readers_;
};

}  // namespace

TEST_CASE("model: any schedule on one thread gives the windows and totals of the plain model") {
  const Mode mode = GENERATE(Mode::kEmbedded, Mode::kDaemon);
  const std::uint64_t from = seed();
  const std::uint64_t runs = long_run() ? 20'000 : 400;
  for (std::uint64_t run = 0; run < runs; ++run) {
    Pair pair(from + run, mode);
    for (int step = 0; step < 600; ++step) {
      const std::string difference = pair.step();
      if (!difference.empty()) {
        FAIL(difference << " in step " << step << "; replay with SLUICE_SEED=" << from + run);
      }
    }
  }
}

}  // namespace sluice::test
