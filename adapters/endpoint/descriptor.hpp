// SPDX-License-Identifier: Apache-2.0
// A file descriptor with an owner, and a thread that takes no signals.
#pragma once

#include <unistd.h>

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"

namespace sluice::inline v0_1::endpoint {

/// Owns a descriptor.
class Descriptor {
 public:
  Descriptor() noexcept = default;
  explicit Descriptor(int fd) noexcept : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Descriptor(std::move(other)).swap(*this);
    return *this;
  }
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  /// Returns the number; negative: none.
  [[nodiscard]] int get() const noexcept { return fd_; }
  /// Gives the descriptor up to the caller.
  [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

 private:
  void swap(Descriptor& other) noexcept { std::swap(fd_, other.fd_); }

  int fd_ = -1;
};

/// Starts a thread on which all signals are blocked, so that handlers of the program run on its own threads.
template <class Run>
absl::StatusOr<std::thread> start_thread(Run&& run) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  absl::StatusOr<std::thread> thread = absl::ResourceExhaustedError("no thread can be started");
  try {
    thread = std::thread(std::forward<Run>(run));
  } catch (const std::system_error&) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

}  // namespace sluice::endpoint
