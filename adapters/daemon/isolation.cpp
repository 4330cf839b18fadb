// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/isolation.hpp"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace sluice::daemon {
namespace {

/// Closes the descriptors from `first` to `last`, both included. Where close_range() is missing (before Linux 5.9, or
/// under a filter of system calls), closes them one by one up to the limit of the process.
void close_range_of(int first, int last) noexcept {
  if (first > last) return;
  if (::close_range(static_cast<unsigned>(first), static_cast<unsigned>(last), 0) == 0) return;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  const auto most = static_cast<int>(std::min<rlim_t>(limit.rlim_max, 1 << 20));
  for (int descriptor = first; descriptor <= std::min(last, most); ++descriptor) ::close(descriptor);
}

struct Line {
  Mapping mapping;
  bool shared;
  bool writable;
};

/// Parses "begin-end permissions offset ..." with hexadecimal numbers. Returns false for any other text.
bool parse(std::string_view text, Line& line) {
  const std::vector<absl::string_view> fields =
      absl::StrSplit(absl::string_view(text.data(), text.size()), absl::MaxSplits(' ', 3));
  if (fields.size() < 3 || fields[1].size() != 4) return false;
  const std::pair<absl::string_view, absl::string_view> range = absl::StrSplit(fields[0], absl::MaxSplits('-', 1));
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t offset = 0;
  if (!absl::SimpleHexAtoi(range.first, &begin) || !absl::SimpleHexAtoi(range.second, &end) ||
      !absl::SimpleHexAtoi(fields[2], &offset)) {
    return false;
  }
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel prints addresses.
  line = {{reinterpret_cast<std::byte*>(begin), reinterpret_cast<std::byte*>(end), offset},
          fields[1][3] == 's',
          fields[1][1] == 'w'};
  return true;
}

absl::Status each_mapping(absl::FunctionRef<void(const Line&)> visit) {
  std::ifstream file("/proc/self/maps");
  std::string text;
  std::size_t count = 0;
  for (Line line{}; std::getline(file, text); ++count) {
    if (!parse(text, line)) return absl::UnavailableError("/proc/self/maps cannot be understood");
    visit(line);
  }
  return count != 0 ? absl::OkStatus() : absl::UnavailableError("/proc/self/maps cannot be read");
}

/// Adds the beginnings of shared mappings that are writable, or would be after mprotect(). The flag "mw" in
/// /proc/self/smaps says so; the file is slow to read.
absl::Status add_possibly_writable(std::vector<const void*>& begins) {
  std::ifstream file("/proc/self/smaps");
  std::string text;
  Line line{};
  bool has_flags = false;
  while (std::getline(file, text)) {
    if (text.starts_with("VmFlags:")) {
      if (line.shared && text.find(" mw") != std::string::npos) begins.push_back(line.mapping.begin);
      has_flags = true;
    } else if (text.find(':') > text.find(' ') && !parse(text, line)) {
      return absl::UnavailableError("/proc/self/smaps cannot be understood");
    }
  }
  return has_flags ? absl::OkStatus() : absl::UnavailableError("/proc/self/smaps cannot be read");
}

absl::Status failed(const char* call) { return absl::InternalError(absl::StrCat(call, ": ", std::strerror(errno))); }

}  // namespace

void close_descriptors_but(std::vector<int> kept) {
  std::sort(kept.begin(), kept.end());
  int next = 0;
  for (const int descriptor : kept) {
    if (descriptor < next) continue;
    close_range_of(next, descriptor - 1);
    next = descriptor + 1;
  }
  close_range_of(next, INT_MAX);
}

void leave_terminal() noexcept {
  const int terminal = ::open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
  // One of the standard streams may be the terminal where /dev is not that of the system.
  for (const int descriptor : {terminal, STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (descriptor >= 0 && ::ioctl(descriptor, TIOCNOTTY) == 0) break;
  }
  if (terminal >= 0) ::close(terminal);
}

void leave_keyring() noexcept {
  // A kernel that refuses this, as in many containers, gives applications no keys either.
  static_cast<void>(::syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr));
}

absl::StatusOr<Mapping> find_mapping(const void* address) {
  Mapping mapping;
  const absl::Status status = each_mapping([&](const Line& line) {
    if (line.mapping.begin <= address && address < line.mapping.end) mapping = line.mapping;
  });
  if (!status.ok()) return status;
  if (mapping.begin == nullptr) return absl::NotFoundError("there is no such mapping");
  return mapping;
}

absl::Status unmap_shared_but(std::span<const void* const> kept) {
  std::vector<Mapping> dropped;
  std::vector<Mapping> read_only;
  absl::Status status = each_mapping([&](const Line& line) {
    if (!line.shared || std::find(kept.begin(), kept.end(), line.mapping.begin) != kept.end()) return;
    (line.writable ? dropped : read_only).push_back(line.mapping);
  });
  std::vector<const void*> writable;
  if (status.ok() && !read_only.empty()) status = add_possibly_writable(writable);
  if (!status.ok()) return status;
  for (const Mapping& mapping : read_only) {
    if (std::find(writable.begin(), writable.end(), mapping.begin) != writable.end()) dropped.push_back(mapping);
  }
  for (const Mapping& mapping : dropped) {
    if (::munmap(mapping.begin, static_cast<std::size_t>(mapping.end - mapping.begin)) != 0) return failed("munmap()");
  }
  return absl::OkStatus();
}

absl::Status make_read_only(const void* address) {
  const absl::StatusOr<Mapping> mapping = find_mapping(address);
  if (!mapping.ok()) return mapping.status();
  const std::string path =
      absl::StrCat("/proc/self/map_files/", absl::Hex(reinterpret_cast<std::uintptr_t>(mapping->begin)), "-",
                   absl::Hex(reinterpret_cast<std::uintptr_t>(mapping->end)));
  const auto size = static_cast<std::size_t>(mapping->end - mapping->begin);
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 && ::geteuid() != 0) {
    return ::mprotect(mapping->begin, size, PROT_READ) == 0 ? absl::OkStatus() : failed("mprotect()");
  }
  if (file < 0) return failed("open() of a file of /proc/self/map_files");
  void* const mapped =
      ::mmap(mapping->begin, size, PROT_READ, MAP_SHARED | MAP_FIXED, file, static_cast<off_t>(mapping->file_offset));
  absl::Status status = mapped != MAP_FAILED ? absl::OkStatus() : failed("mmap()");
  ::close(file);
  return status;
}

}  // namespace sluice::daemon
