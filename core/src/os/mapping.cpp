#include "os/mapping.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <ctime>
#include <new>

namespace sluice::os {

Mapping::Mapping(std::size_t bytes)
    : size_(bytes),
      data_(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
      owner_(::getpid()) {
  if (data_ == MAP_FAILED) throw std::bad_alloc();
  wiped_on_fork_ = ::madvise(data_, size_, MADV_WIPEONFORK) == 0;
}

Mapping::~Mapping() { ::munmap(data_, size_); }

bool Mapping::inherited() const noexcept { return !wiped_on_fork_ && ::getpid() != owner_; }

void Mapping::adopt() noexcept {
  std::memset(data_, 0, size_);
  owner_ = ::getpid();
}

void yield() noexcept { ::sched_yield(); }

void nap(long ns) noexcept {
  const timespec time{.tv_sec = 0, .tv_nsec = ns};
  ::nanosleep(&time, nullptr);
}

}  // namespace sluice::os
