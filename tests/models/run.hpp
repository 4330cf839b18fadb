// SPDX-License-Identifier: Apache-2.0
// Runs scenarios until one fails, and prints one line for each. The arguments of a model's program are parts of the
// names of the scenarios to run.
#pragma once

#include <ctime>

#include "relacy_atomics.hpp"

namespace sluice::models {

/// The base of all scenarios. Turns off Relacy's check of freed memory, which doubles the executions at each
/// deallocation; scenarios free nothing before their end.
template <class Scenario, int kThreads>
class Suite : public rl::test_suite<Scenario, kThreads> {
 public:
  Suite() {
    rl::ctx().*& Context::disable_alloc_ = 1;
    alone = true;
    waiting = {};
    now = 1000;
  }

 private:
  struct Context : rl::context {
    using rl::context::disable_alloc_;
  };
};

/// The number of requests that each writer serves and of cuts that each reader makes, in the current scenario.
struct Load {
  int records = 1;
  int cuts = 1;
  int before = 0;         ///< Number of requests before the threads start, each followed by a cut.
  std::uint8_t mode = 1;  ///< Mode of the recorder. In mode 1 all fields exist.
};
inline Load load;

struct EverySchedule {
  template <int kThreads>
  using Scheduler = rl::full_search_scheduler<kThreads>;
  void set(rl::test_params& params) const { params.search_type = rl::sched_full; }
  [[nodiscard]] std::string name() const { return "every schedule"; }
};

/// All schedules with at most `most` preemptions.
struct Preemptions {
  template <int kThreads>
  using Scheduler = rl::context_bound_scheduler<kThreads>;
  void set(rl::test_params& params) const {
    params.search_type = rl::sched_bound;
    params.context_bound = most;
  }
  [[nodiscard]] std::string name() const { return std::to_string(most) + " preemptions"; }
  unsigned most;
};

/// A number of random schedules, the same in each run.
struct RandomSchedules {
  template <int kThreads>
  using Scheduler = rl::random_scheduler<kThreads>;
  void set(rl::test_params& params) const {
    params.search_type = rl::sched_random;
    params.iteration_count = number;
  }
  [[nodiscard]] std::string name() const { return "random schedules"; }
  unsigned number;
};

inline bool long_run() { return std::getenv("SLUICE_LONG") != nullptr; }

/// The scenarios of one program.
class Run {
 public:
  /// Takes the arguments of the program. `NAME...`: scenarios with one of these in their names; `--but NAME...`: the
  /// others.
  Run(int argc, char** argv) : named_(argv + 1, argv + argc) {
    others_ = !named_.empty() && named_.front() == "--but";
    if (others_) named_.erase(named_.begin());
  }

  template <class Scenario, class Search>
  void explore(const std::string& name, Load requested, Search search) {
    run<Scenario>(name, requested, search, true);
  }

  /// Runs a scenario that is known to be wrong. It must fail, or the model is useless.
  template <class Scenario, class Search>
  void refute(const std::string& name, Load requested, Search search) {
    run<Scenario>(name, requested, search, false);
  }

  std::string of;  ///< Name of the schema of the scenarios that follow.

  /// Returns the exit status of the program. It is a failure if no scenario had the name.
  int end() const {
    std::printf("%d scenarios, %llu executions, %d failures\n", count_, static_cast<unsigned long long>(executions_),
                failures_);
    return count_ != 0 && failures_ == 0 ? 0 : 1;
  }

 private:
  template <class Scenario, class Search>
  void run(const std::string& name, Load requested, Search search, bool must_pass) {
    const std::string title = (of.empty() ? name : name + ", " + of) + ", " + search.name();
    const auto in_title = [&title](const std::string& part) { return title.find(part) != std::string::npos; };
    const bool selected = named_.empty() || std::any_of(named_.begin(), named_.end(), in_title) != others_;
    if (failures_ != 0 || !selected) return;
    load = requested;
    rl::test_params params;
    search.set(params);
    params.execution_depth_limit = 10'000;
    std::ostringstream out;
    params.progress_stream = params.output_stream = &out;
    using Scheduler = typename Search::template Scheduler<Scenario::params::thread_count>;
    std::ostringstream failed_at;
    const std::clock_t from = std::clock();
    const bool passed = rl::run_test<Scenario, Scheduler>(params, failed_at, false) == rl::test_result_success;
    const double seconds = static_cast<double>(std::clock() - from) / CLOCKS_PER_SEC;
    std::printf("%s: %llu executions, %d failures%s, %.1f s\n", title.c_str(),
                static_cast<unsigned long long>(params.stop_iteration), passed ? 0 : 1,
                must_pass ? "" : " where one must be", seconds);
    ++count_;
    executions_ += params.stop_iteration;
    if (passed && !must_pass) ++failures_;
    if (!passed && must_pass) {
      ++failures_;
      params.initial_state = failed_at.str();
      params.collect_history = true;
      rl::run_test<Scenario, Scheduler>(params, failed_at, true);
      // Prints the history of all threads, without the histories of single threads that follow it.
      const std::string history = out.str();
      std::printf("%s\n", history.substr(0, history.find("\n\nthread 0:")).c_str());
    }
    std::fflush(stdout);
  }

  std::vector<std::string> named_;
  bool others_;
  int count_ = 0;
  int failures_ = 0;
  unsigned long long executions_ = 0;
};

}  // namespace sluice::models
