// SPDX-License-Identifier: Apache-2.0
// Tests the tree that says which slots are taken, by itself against a set, and behind attach() with many threads.
#include "sluice/detail/slot_tree.hpp"
#include "phases.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <vector>

#include "random.hpp"
#include "sluice/detail/policy.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {
using Tree = detail::SlotTree<detail::StdAtomics>;

struct Words {
  explicit Words(std::size_t slots) : words(std::make_unique<Tree::Word[]>(Tree::words_for(slots))), count(slots) {}
  [[nodiscard]] Tree tree() const { return {words.get(), count}; }

  std::unique_ptr<Tree::Word[]> words;
  std::size_t count;
};

}  // namespace

TEST_CASE("slot tree: slots are found from the lowest on, and none when all are taken") {
  const std::size_t count = GENERATE(1U, 2U, 63U, 64U, 65U, 128U, 4095U, 4096U, 4097U, 10'000U);
  const Words words(count);
  Tree tree = words.tree();
  for (std::size_t slot = 0; slot < count; ++slot) {
    REQUIRE(tree.lowest_free() == slot);
    REQUIRE(tree.take(slot));
    REQUIRE(!tree.take(slot));
  }
  CHECK(!tree.lowest_free());
  for (const std::size_t slot : std::set<std::size_t>{0, count / 2, count - 1}) {
    tree.give_back(slot);
    CHECK(tree.lowest_free() == slot);
    CHECK(tree.take(slot));
    CHECK(!tree.lowest_free());
  }
}

TEST_CASE("slot tree: whatever is taken by number, given back or found, it is what a set says") {
  const std::size_t count = GENERATE(3U, 70U, 5000U);
  const std::uint64_t seed = GENERATE(1U, 2U, 3U);
  INFO("seed " << seed);
  Random random(seed);
  const Words words(count);
  Tree tree = words.tree();
  std::set<std::size_t> free;
  for (std::size_t slot = 0; slot < count; ++slot) free.insert(slot);
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t slot = random() % count;
    if (random() % 3 == 0) {
      if (free.insert(slot).second) tree.give_back(slot);
    } else {
      REQUIRE(tree.take(slot) == (free.erase(slot) == 1));
    }
    const std::optional<std::size_t> lowest = tree.lowest_free();
    REQUIRE(lowest == (free.empty() ? std::nullopt : std::optional(*free.begin())));
  }
}

TEST_CASE("slot tree: bits that were overwritten never lead outside") {
  const std::size_t count = 5000;
  const Words words(count);
  Random random(7);
  for (int step = 0; step < 2000; ++step) {
    words.words[random() % Tree::words_for(count)].store(random() % 2 == 0 ? ~std::uint64_t{0} : random());
    const std::optional<std::size_t> lowest = words.tree().lowest_free();
    REQUIRE((!lowest || *lowest < count));
    if (lowest) words.tree().take(*lowest);
  }
}

TEST_CASE("attach: threads that come and go share no slot, and at the end all slots are free") {
  const std::size_t slots = GENERATE(7U, 130U);
  constexpr int kThreads = 8;
  Recorder recorder({.threads = slots});
  std::vector<std::atomic<int>> owners(slots);
  std::atomic<bool> shared{false};
  std::vector<std::optional<Worker>> kept;
  while (kept.size() + 4 < slots) kept.emplace_back(recorder.attach());  // so that words are full again and again
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      Random random(static_cast<std::uint64_t>(t));
      for (std::uint64_t i = 0; i < tier(100'000, 5'000'000); ++i) {
        std::optional<Worker> worker;
        if (random() % 4 != 0) {
          worker = recorder.attach();
        } else if (auto named = recorder.attach(random() % slots); named.ok()) {
          worker = *std::move(named);
        }
        if (!worker || !worker->has_slot()) continue;
        if (owners[worker->slot()].fetch_add(1) != 0) shared = true;
        owners[worker->slot()].fetch_sub(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(!shared);
  for (std::size_t slot = kept.size(); slot < slots; ++slot) {
    kept.emplace_back(recorder.attach());
    REQUIRE(kept.back()->slot() == slot);
    REQUIRE(kept.back()->has_slot());
  }
  CHECK(!recorder.attach().has_slot());
}

TEST_CASE("attach: a forked child finds all slots free, and the parent's stay taken") {
  Recorder recorder({.threads = 70});
  std::vector<Worker> workers;
  workers.reserve(70);
  for (int i = 0; i < 70; ++i) workers.push_back(recorder.attach());
  const pid_t child = ::fork();
  if (child == 0) {
    Worker fresh = recorder.attach();
    bool right = fresh.has_slot() && fresh.slot() == 0;
    workers.clear();  // the child owns none of these slots, and frees none
    for (std::size_t i = 1; i < 70 && right; ++i) {
      workers.push_back(recorder.attach());
      right = workers.back().has_slot() && workers.back().slot() == i;
    }
    ::_exit(right && !recorder.attach().has_slot() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK(!recorder.attach().has_slot());
  workers.pop_back();
  CHECK(recorder.attach().slot() == 69);
}

}  // namespace sluice::test
