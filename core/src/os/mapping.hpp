// Zeroed memory of a process's own that a forked child finds zeroed again.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace sluice::os {

/// Pages are committed when they are first written.
class Mapping {
 public:
  /// Throws std::bad_alloc.
  explicit Mapping(std::size_t bytes);
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// True in a child that was forked with the parent's bytes because the kernel could not wipe them.
  [[nodiscard]] bool inherited() const noexcept;

  /// Takes inherited memory over and zeroes it. For one thread, before any other uses it.
  void adopt() noexcept;

 private:
  std::size_t size_;
  void* data_;
  bool wiped_on_fork_ = false;
  pid_t owner_;
};

/// Gives the processor to another thread.
void yield() noexcept;

/// Sleeps for less than a second, and a little longer than asked; less if a signal comes.
void nap(long ns) noexcept;

}  // namespace sluice::os
