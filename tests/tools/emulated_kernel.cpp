// SPDX-License-Identifier: Apache-2.0
// Linked into tests that run under qemu-user: does what that answers with success and leaves undone.
//
// Advice on memory: that pages are removed, and what becomes of them in forked children. Children of the bare system
// call are not reached, as they pass all handlers by. And a process's own /proc/PID/stat, which qemu-user fills with
// zeros.
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string_view>

namespace {

struct Range {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;  ///< Equal to `begin` where the place is free.
  int advice = 0;

  [[nodiscard]] bool meets(std::uintptr_t other_begin, std::uintptr_t other_end) const noexcept {
    return begin < other_end && other_begin < end;
  }
};

constinit std::array<Range, 4096> ranges;
constinit std::mutex mutex;

/// Advice on pages is forgotten with any page of the range that it was given for.
void forget(std::uintptr_t begin, std::uintptr_t end) noexcept {
  for (Range& entry : ranges) {
    if (entry.meets(begin, end)) entry = {};
  }
}

bool remember(const Range& range) noexcept {
  for (Range& entry : ranges) {
    if (entry.begin != entry.end) continue;
    entry = range;
    return true;
  }
  return false;
}

/// Asks the kernel to, which returns an error where the pages may not be written.
bool store_zeros(void* start, std::size_t size) noexcept {
  const int zeros = ::open("/dev/zero", O_RDONLY | O_CLOEXEC);
  const bool stored = ::read(zeros, start, size) == static_cast<ssize_t>(size);
  ::close(zeros);
  return stored;
}

void lock() { mutex.lock(); }
void unlock() { mutex.unlock(); }

void follow_in_child() {
  for (Range& entry : ranges) {
    auto* const data = reinterpret_cast<void*>(entry.begin);
    const std::size_t size = entry.end - entry.begin;
    if (entry.advice == MADV_WIPEONFORK) std::memset(data, 0, size);
    if (entry.advice == MADV_DONTFORK) {
      ::syscall(SYS_munmap, data, size);
      entry = {};
    }
  }
  mutex.unlock();
}

[[gnu::constructor]] void install() { ::pthread_atfork(lock, unlock, follow_in_child); }

}  // namespace

extern "C" [[gnu::visibility("default")]] int madvise(void* start, std::size_t size, int advice) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(start);
  const Range range{begin, begin + size, advice};
  const std::lock_guard guard(mutex);
  switch (advice) {
    case MADV_REMOVE:
      return store_zeros(start, size) ? 0 : -1;
    case MADV_DOFORK:
    case MADV_KEEPONFORK:
      forget(range.begin, range.end);
      return 0;
    case MADV_DONTFORK:
    case MADV_WIPEONFORK:
      forget(range.begin, range.end);
      return remember(range) ? 0 : -1;
    default:
      return static_cast<int>(::syscall(SYS_madvise, start, size, advice));
  }
}

extern "C" [[gnu::visibility("default")]] int munmap(void* start, std::size_t size) noexcept {
  const auto begin = reinterpret_cast<std::uintptr_t>(start);
  const std::lock_guard guard(mutex);
  forget(begin, begin + size);
  return static_cast<int>(::syscall(SYS_munmap, start, size));
}

/// By another name of the same file, which qemu-user hands on to the kernel.
extern "C" [[gnu::visibility("default")]] int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
  va_end(more);
  constexpr std::string_view kProc = "/proc/";
  const std::string_view original = path;
  std::array<char, 64> other{"/proc/./"};
  if (original.starts_with(kProc) && original.ends_with("/stat") && original.size() + 3 < other.size()) {
    original.substr(kProc.size()).copy(other.data() + kProc.size() + 2, original.size());
    path = other.data();
  }
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
