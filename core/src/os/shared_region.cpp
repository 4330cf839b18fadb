// SPDX-License-Identifier: Apache-2.0
#include "os/shared_region.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

namespace sluice::inline v0_1::os {
namespace {

/// MFD_NOEXEC_SEAL of Linux 6.3: the file is never executable. Some systems refuse a memory file without it.
constexpr unsigned kNoExec = 0x0008U;

/// A descriptor that is closed at the end of its scope.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }

  [[nodiscard]] int get() const noexcept { return number_; }
  [[nodiscard]] bool valid() const noexcept { return number_ >= 0; }

 private:
  int number_;
};

int make_memory_file() noexcept {
  constexpr unsigned kFlags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  const int created = ::memfd_create("sluice", kFlags | kNoExec);
  return created >= 0 || errno != EINVAL ? created : ::memfd_create("sluice", kFlags);
}

/// Sets the size of a file. For a size beyond the limit of the process (RLIMIT_FSIZE) the kernel sends SIGXFSZ to the
/// calling thread, which by default ends the process without a word. The signal is discarded here, and the call fails
/// with EFBIG.
bool set_size(int file, std::size_t bytes) noexcept {
  sigset_t signals;
  sigset_t before;
  sigset_t pending;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &signals, &before);
  ::sigpending(&pending);
  const bool set = ::ftruncate(file, static_cast<off_t>(bytes)) == 0;
  const int error = errno;
  constexpr timespec kAtOnce = {0, 0};
  if (!set && error == EFBIG && ::sigismember(&pending, SIGXFSZ) == 0) ::sigtimedwait(&signals, nullptr, &kAtOnce);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = error;
  return set;
}

/// Seals the size. Otherwise a process could truncate the file, and readers would be killed by SIGBUS.
bool seal_size(int file) noexcept { return ::fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0; }

/// Opens the file again for reading. A mapping of that descriptor can never become writable.
int open_for_reading(int file) noexcept {
  constexpr std::string_view kFolder = "/proc/self/fd/";
  std::array<char, 32> path{};
  std::memcpy(path.data(), kFolder.data(), kFolder.size());
  std::to_chars(path.data() + kFolder.size(), path.data() + path.size() - 1, file);
  return ::open(path.data(), O_RDONLY | O_CLOEXEC);
}

void* map(int file, std::size_t bytes, int protection) noexcept {
  void* const data = ::mmap(nullptr, bytes, protection, MAP_SHARED | MAP_NORESERVE, file, 0);
  return data != MAP_FAILED ? data : nullptr;
}

/// Returns the status of a system call that has just failed.
absl::Status failed(const char* call) { return absl::ErrnoToStatus(errno, call); }

bool advise(std::span<std::byte> pages, int advice) noexcept {
  return pages.empty() || ::madvise(pages.data(), pages.size(), advice) == 0;
}

}  // namespace

absl::StatusOr<SharedRegion> make_shared_region(std::size_t bytes) {
  const Descriptor file(make_memory_file());
  if (!file.valid()) return failed("memfd_create");
  if (!set_size(file.get(), bytes)) return failed("ftruncate of a memory file");
  if (!seal_size(file.get())) return failed("sealing of a memory file");
  const Descriptor read_only(open_for_reading(file.get()));
  if (!read_only.valid()) return failed("opening a memory file for reading");
  SharedRegion region;
  if (void* const data = map(file.get(), bytes, PROT_READ | PROT_WRITE)) {
    region.writable = {static_cast<std::byte*>(data), bytes};
  }
  if (const void* const data = map(read_only.get(), bytes, PROT_READ)) {
    region.readable = {static_cast<const std::byte*>(data), bytes};
  }
  if (!region.writable.empty() && !region.readable.empty() && keep_from_children(region.writable)) return region;
  absl::Status status = failed("mapping of a memory file");
  unmap(region.writable);
  unmap(region.readable);
  return status;
}

bool pass_to_children(std::span<std::byte> writable) noexcept { return advise(writable, MADV_DOFORK); }

bool keep_from_children(std::span<std::byte> writable) noexcept { return advise(writable, MADV_DONTFORK); }

void clear_shared(std::span<std::byte> writable) noexcept {
  if (!advise(writable, MADV_REMOVE)) std::memset(writable.data(), 0, writable.size());
}

bool unmap(std::span<const std::byte> pages) noexcept {
  return pages.empty() || ::munmap(const_cast<std::byte*>(pages.data()), pages.size()) == 0;
}

}  // namespace sluice::os
