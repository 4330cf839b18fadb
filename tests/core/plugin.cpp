// SPDX-License-Identifier: Apache-2.0
// A shared object with its own copy of the core, linked as the modules are, for a program that loads and unloads it.
#include <cstdint>
#include <thread>
#include <vector>

#include "phases.hpp"

using sluice::Reader;
using sluice::Window;
using sluice::test::Recorder;
using sluice::test::Worker;

#define SLUICE_PLUGIN_EXPORT extern "C" [[gnu::visibility("default")]]

#if defined(SLUICE_TEST_PINNED)
// A thread-local object with a destructor keeps the module loaded for ever, so no module may have one.
namespace {
struct Counted {
  ~Counted() { ++count; }
  std::uint64_t count = 0;
};
thread_local Counted counted;
}  // namespace
#endif

/// Makes a recorder in the given memory, or in memory of its own if null.
SLUICE_PLUGIN_EXPORT void* plugin_new_recorder(std::size_t threads, std::byte* memory) {
  const std::size_t bytes = memory != nullptr ? Recorder::memory_bytes(threads) : 0;
  return new Recorder({.threads = threads, .memory = {memory, bytes}});
}

SLUICE_PLUGIN_EXPORT void plugin_delete_recorder(void* recorder) { delete static_cast<Recorder*>(recorder); }

SLUICE_PLUGIN_EXPORT void* plugin_attach(void* recorder) {
  return new Worker(static_cast<Recorder*>(recorder)->attach());
}

SLUICE_PLUGIN_EXPORT void plugin_detach(void* worker) { delete static_cast<Worker*>(worker); }

SLUICE_PLUGIN_EXPORT void plugin_serve(void* worker, std::uint64_t requests) {
#if defined(SLUICE_TEST_PINNED)
  counted.count += requests;
#endif
  for (; requests > 0; --requests) static_cast<Worker*>(worker)->begin().finish({.request_us = requests});
}

/// Returns the number of requests of one window; UINT64_MAX if there was none.
SLUICE_PLUGIN_EXPORT std::uint64_t plugin_drain(void* reader) {
  const sluice::Result<Window> window = static_cast<Reader*>(reader)->drain();
  return window.ok() ? window->request_count : UINT64_MAX;
}

SLUICE_PLUGIN_EXPORT void* plugin_new_reader(void* recorder) {
  return new Reader(static_cast<Recorder*>(recorder)->add_reader());
}

SLUICE_PLUGIN_EXPORT void plugin_delete_reader(void* reader) { delete static_cast<Reader*>(reader); }

SLUICE_PLUGIN_EXPORT std::uint64_t plugin_total(void* recorder) {
  return static_cast<Recorder*>(recorder)->totals().request_count;
}
