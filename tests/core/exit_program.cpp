// SPDX-License-Identifier: Apache-2.0
// Exits in the way that its first argument names, while threads record and drain. A recorder that is in use until the
// end must never be destroyed; `destroyed` does so, and must fail.
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

#include "phases.hpp"

using sluice::Reader;
using sluice::Window;
using sluice::test::Recorder;
using sluice::test::Worker;

int main(int argc, char** argv) {
  constexpr std::size_t kThreads = 8;
  if (argc < 3) return 2;
  const std::string_view way = argv[1];
  const std::chrono::microseconds after(std::atoi(argv[2]));

  static std::unique_ptr<Recorder> owned;
  auto* const recorder = new Recorder({.threads = kThreads - 1});
  if (way == "destroyed") owned.reset(recorder);
  static Recorder* const reachable = recorder;
  for (std::size_t i = 0; i < kThreads; ++i) {
    std::thread([] {
      for (;;) {
        Worker worker = reachable->attach();
        for (int requests = 0; requests < 1'000; ++requests) worker.begin().finish({.request_us = 5});
      }
    }).detach();
  }
  std::thread([] {
    Reader reader = reachable->add_reader();
    Window window;
    while (reader.drain(window).ok()) static_cast<void>(reachable->totals());
  }).detach();

  std::this_thread::sleep_for(after);
  if (way == "exit") std::exit(0);
  if (way == "quick_exit") std::quick_exit(0);
  return way == "return" || way == "destroyed" ? 0 : 2;
}
