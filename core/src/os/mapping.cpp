// SPDX-License-Identifier: Apache-2.0
// Order map of memory that the kernel has not wiped in a forked child (the argument is in docs/memory-model.md,
// "Threads and forks")
//   [F5] adopt             store  owner_  release  synchronizes with [F6]: the memory is zeroed
//   [F6] inherited, adopt  load   owner_  acquire  synchronizes with [F5]
#include "os/mapping.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <ctime>
#include <new>
#include <stdexcept>

namespace sluice::inline v0_1::os {

namespace {

void* map_own(std::size_t bytes) {
  constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* const data = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, kFlags, -1, 0);
  if (data == MAP_FAILED) throw std::bad_alloc();
  // Most of the memory is never touched, and a huge page would commit it. A kernel without huge pages refuses.
  static_cast<void>(::madvise(data, bytes, MADV_NOHUGEPAGE));
  return data;
}

void* checked(std::span<std::byte> memory, std::size_t bytes) {
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  if (memory.size() < bytes) throw std::invalid_argument("the memory given to a recorder is too small");
  if (whole_pages(address) != address || whole_pages(memory.size()) != memory.size()) {
    throw std::invalid_argument("the memory given to a recorder is not of whole pages");
  }
  return memory.data();
}

}  // namespace

Mapping::Mapping(std::size_t bytes, std::span<std::byte> memory)
    : size_(memory.empty() ? bytes : memory.size()),
      data_(memory.empty() ? map_own(bytes) : checked(memory, bytes)),
      owner_(::getpid()),
      zeroed_by_(::getpid()) {
  if (memory.empty()) {
    wiped_on_fork_ = ::madvise(data_, size_, MADV_WIPEONFORK) == 0;
  } else {
    given_.emplace(data_, size_);
    wiped_on_fork_ = true;
  }
}

Mapping::~Mapping() {
  if (!given_) ::munmap(data_, size_);
}

bool Mapping::inherited() const noexcept {
  return !wiped_on_fork_ && ::getpid() != owner_.load(std::memory_order_acquire);  // [F6]
}

void Mapping::adopt() noexcept {
  const pid_t own = ::getpid();
  pid_t last = zeroed_by_.load(std::memory_order_relaxed);  // only says who zeroes
  if (last == own || !zeroed_by_.compare_exchange_strong(last, own, std::memory_order_relaxed)) {  // as above
    while (owner_.load(std::memory_order_acquire) != own) yield();                                 // [F6]
    return;
  }
  // Gives the pages back instead of writing them, because most were never committed.
  if (::madvise(data_, size_, MADV_DONTNEED) != 0) std::memset(data_, 0, size_);
  owner_.store(own, std::memory_order_release);  // [F5]
}

std::size_t whole_pages(std::size_t bytes) noexcept {
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

void yield() noexcept { ::sched_yield(); }

void nap(long ns) noexcept {
  const timespec time{.tv_sec = 0, .tv_nsec = ns};
  ::nanosleep(&time, nullptr);
}

}  // namespace sluice::os
