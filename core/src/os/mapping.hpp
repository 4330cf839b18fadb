// Zeroed memory that a process records in and that a forked child finds zeroed again: of its own, or given by whoever
// shares it with other processes.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <span>

#include "os/fork_wipe.hpp"

namespace sluice::os {

/// Pages are committed when they are first written.
class Mapping {
 public:
  /// Of its own, or the first `bytes` of what is given: zeroed whole pages that outlive it. Throws std::bad_alloc, and
  /// std::invalid_argument for memory that is too small or not of whole pages.
  explicit Mapping(std::size_t bytes, std::span<std::byte> given = {});
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
  std::optional<ForkWipe> given_;  ///< None: the mapping is its own.
};

/// Rounded up to whole pages.
[[nodiscard]] std::size_t whole_pages(std::size_t bytes) noexcept;

/// Gives the processor to another thread.
void yield() noexcept;

/// Sleeps for less than a second, and a little longer than asked; less if a signal comes.
void nap(long ns) noexcept;

}  // namespace sluice::os
