// SPDX-License-Identifier: Apache-2.0
// Memory that a forked child finds zeroed, for what a host keeps beside a recorder.
#pragma once

#include <cstddef>
#include <memory>

namespace sluice::inline v0_1 {

/// \addtogroup record_api
/// @{

/// A range of zeroed memory. Pages are committed when they are first written.
class ForkWipedMemory {
 public:
  /// Maps `bytes` bytes. \throws std::bad_alloc
  explicit ForkWipedMemory(std::size_t bytes);
  ForkWipedMemory(const ForkWipedMemory&) = delete;
  ForkWipedMemory& operator=(const ForkWipedMemory&) = delete;
  ~ForkWipedMemory();

  /// Returns the first byte.
  [[nodiscard]] void* data() const noexcept { return data_; }
  /// Returns true in a forked child that has the parent's bytes, because the kernel could not wipe them.
  [[nodiscard]] bool inherited() const noexcept;
  /// Zeroes inherited memory and makes it the child's. For one thread, before any other uses the memory.
  void adopt() noexcept;

 private:
  struct Mapping;
  std::unique_ptr<Mapping> mapping_;
  void* data_;
};

/// @}

}  // namespace sluice
