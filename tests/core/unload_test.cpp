// SPDX-License-Identifier: Apache-2.0
// Tests that a shared object with the core can be used by threads that outlive it, unloaded and loaded again, as a
// server does with its modules at each graceful restart. Nothing of the object may stay loaded.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <barrier>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "phases.hpp"
#include "shared_memory.hpp"
#include "sluice/resources.hpp"
#include "stress.hpp"
#include "tests/catch.hpp"

namespace sluice::test {

namespace {

/// The shared object while it is loaded.
class Plugin {
 public:
  explicit Plugin(const char* path) : handle_(::dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) FAIL(::dlerror());
    find(new_recorder, "plugin_new_recorder");
    find(delete_recorder, "plugin_delete_recorder");
    find(attach, "plugin_attach");
    find(detach, "plugin_detach");
    find(serve, "plugin_serve");
    find(new_reader, "plugin_new_reader");
    find(delete_reader, "plugin_delete_reader");
    find(drain, "plugin_drain");
    find(total, "plugin_total");
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;
  ~Plugin() { ::dlclose(handle_); }

  void* (*new_recorder)(std::size_t, std::byte*) = nullptr;
  void (*delete_recorder)(void*) = nullptr;
  void* (*attach)(void*) = nullptr;
  void (*detach)(void*) = nullptr;
  void (*serve)(void*, std::uint64_t) = nullptr;
  void* (*new_reader)(void*) = nullptr;
  void (*delete_reader)(void*) = nullptr;
  std::uint64_t (*drain)(void*) = nullptr;
  std::uint64_t (*total)(void*) = nullptr;

 private:
  template <class Function>
  void find(Function& function, const char* name) {
    function = reinterpret_cast<Function>(::dlsym(handle_, name));
    if (function == nullptr) FAIL("no " << name);
  }

  void* handle_;
};

bool mapped(const std::string& path) {
  std::ifstream maps("/proc/self/maps");
  const std::string text{std::istreambuf_iterator<char>(maps), {}};
  return text.find(path) != std::string::npos;
}

/// Returns true if the loader still knows the object, or a part of it is still mapped.
bool loaded(const char* path) {
  if (void* const handle = ::dlopen(path, RTLD_NOW | RTLD_NOLOAD); handle != nullptr) {
    ::dlclose(handle);
    return true;
  }
  return mapped(std::filesystem::path(path).filename());
}

/// Returns the number of keys of thread-specific data that the program could still create.
std::size_t free_keys() {
  std::vector<pthread_key_t> keys;
  pthread_key_t key{};
  while (::pthread_key_create(&key, nullptr) == 0) keys.push_back(key);
  for (const pthread_key_t created : keys) ::pthread_key_delete(created);
  return keys.size();
}

std::size_t threads_alive() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

/// Threads that exist as long as the test and use one generation of the object after another.
class Users {
 public:
  static constexpr std::size_t kThreads = 3;
  static constexpr std::uint64_t kRequests = 200;

  Users() {
    for (std::size_t i = 0; i < kThreads; ++i) threads_.emplace_back([this] { run(); });
  }
  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;
  ~Users() {
    plugin_ = nullptr;
    barrier_.arrive_and_wait();
    for (std::thread& thread : threads_) thread.join();
  }

  /// Lets each thread serve its requests while the calling thread drains. Returns the number of requests in windows.
  std::uint64_t use(const Plugin& plugin, void* recorder, void* reader) {
    plugin_ = &plugin;
    recorder_ = recorder;
    serving_ = kThreads;
    barrier_.arrive_and_wait();
    std::uint64_t seen = 0;
    while (serving_.load() > 0) seen += plugin.drain(reader);
    barrier_.arrive_and_wait();
    return seen + plugin.drain(reader);
  }

 private:
  void run() {
    for (;;) {
      barrier_.arrive_and_wait();
      if (plugin_ == nullptr) return;
      void* const worker = plugin_->attach(recorder_);
      plugin_->serve(worker, kRequests);
      plugin_->detach(worker);
      serving_.fetch_sub(1);
      barrier_.arrive_and_wait();
    }
  }

  const Plugin* plugin_ = nullptr;
  void* recorder_ = nullptr;
  std::atomic<std::size_t> serving_{0};
  std::barrier<> barrier_{kThreads + 1};
  std::vector<std::thread> threads_;
};

/// Loads, uses and unloads the object. Returns false if a request was lost or counted twice. The recorder is in the
/// given memory, or in its own.
bool load_and_use(const char* path, Users& users, std::byte* memory = nullptr) {
  const Plugin plugin(path);
  void* const recorder = plugin.new_recorder(Users::kThreads, memory);
  void* const reader = plugin.new_reader(recorder);
  constexpr std::uint64_t kServed = Users::kThreads * Users::kRequests;
  const std::uint64_t seen = users.use(plugin, recorder, reader);
  const std::uint64_t total = plugin.total(recorder);
  plugin.delete_reader(reader);
  plugin.delete_recorder(recorder);
  return seen == kServed && total == kServed;
}

}  // namespace

TEST_CASE("unload: an object with the core in it leaves nothing behind, used by threads that live on") {
  const std::uint64_t cycles = (long_run() ? 5'000 : 1'200) / (kSlower > 1 ? 4 : 1);
  Users users;
  ResourceProbe probe;
  std::uint64_t inexact = 0;
  std::uint64_t kept = 0;
  std::uint64_t rss = 0;
  REQUIRE(load_and_use(SLUICE_TEST_PLUGIN, users));
  const std::size_t keys = free_keys();
  const std::size_t threads = threads_alive();
  for (std::uint64_t cycle = 0; cycle < cycles; ++cycle) {
    inexact += load_and_use(SLUICE_TEST_PLUGIN, users) ? 0 : 1;
    kept += loaded(SLUICE_TEST_PLUGIN) ? 1 : 0;
    if (cycle == cycles / 10) rss = probe.read().memory_rss;
  }
  const auto grown = static_cast<std::int64_t>(probe.read().memory_rss) - static_cast<std::int64_t>(rss);
  std::printf("unload: %llu cycles, %llu inexact, %llu still loaded, %lld bytes grown\n",
              static_cast<unsigned long long>(cycles), static_cast<unsigned long long>(inexact),
              static_cast<unsigned long long>(kept), static_cast<long long>(grown));
  CHECK(inexact == 0);
  CHECK(kept == 0);
  CHECK(free_keys() == keys);
  CHECK(threads_alive() == threads);
#if !SLUICE_THREAD_SANITIZER && !SLUICE_ADDRESS_SANITIZER && !defined(SLUICE_TEST_EMULATED)
  // Sanitizers and emulators keep memory of their own.
  CHECK(grown <= 1 << 20);
#endif
}

TEST_CASE("unload: a process forks as before when an object that recorded in given memory is gone") {
  Users users;
  for (int cycle = 0; cycle < 3; ++cycle) {
    const SharedMemory memory(Recorder::memory_bytes(Users::kThreads));
    REQUIRE(load_and_use(SLUICE_TEST_PLUGIN, users, memory.span().data()));
    REQUIRE(!loaded(SLUICE_TEST_PLUGIN));
    CHECK(in_child([] { return 7; }) == 7);
  }
}

TEST_CASE("unload: an object that stays loaded is noticed") {
  {
    Users users;
    REQUIRE(load_and_use(SLUICE_TEST_PINNED_PLUGIN, users));
    CHECK(loaded(SLUICE_TEST_PINNED_PLUGIN));
  }
}

}  // namespace sluice::test
