// SPDX-License-Identifier: Apache-2.0
// Zeroed memory that a process records in and that a forked child finds zeroed again. The memory is the process's own,
// or given by a caller that shares it with other processes.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <optional>
#include <span>

#include "os/fork_wipe.hpp"

namespace sluice::inline v0_1::os {

/// A range of zeroed memory. Pages are committed when they are first written.
class Mapping {
 public:
  /// Maps `bytes` bytes, or uses `memory`, which consists of zeroed whole pages that outlive the object. Throws
  /// std::bad_alloc, and std::invalid_argument if `memory` is too small or not of whole pages.
  explicit Mapping(std::size_t bytes, std::span<std::byte> memory = {});
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  [[nodiscard]] void* data() const noexcept { return data_; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Returns true in a forked child that has the parent's bytes, because the kernel could not wipe them.
  [[nodiscard]] bool inherited() const noexcept;

  /// Zeroes inherited memory and makes it the child's. Of several threads that call it, one zeroes the memory, and the
  /// others wait for that.
  void adopt() noexcept;

 private:
  std::size_t size_;
  void* data_;
  bool wiped_on_fork_ = false;
  std::atomic<pid_t> owner_;       ///< The process whose bytes these are.
  std::atomic<pid_t> zeroed_by_;   ///< The process that began last to make them its own.
  std::optional<ForkWipe> given_;  ///< Set if the memory was given.
};

/// Returns the size rounded up to whole pages.
[[nodiscard]] std::size_t whole_pages(std::size_t bytes) noexcept;

/// Yields the processor to another thread.
void yield() noexcept;

/// Sleeps for `ns`, which is less than a second. Returns early if a signal is handled.
void nap(long ns) noexcept;

}  // namespace sluice::os
