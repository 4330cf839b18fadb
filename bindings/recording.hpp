// Whether a process's metrics are being read by its own code, the one reader behind request_metrics(), and those that
// the code makes besides.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "sluice/recorder.hpp"

namespace sluice::bindings {

class Recording {
 public:
  class Consumer;

  explicit Recording(Recorder& recorder) noexcept : recorder_(&recorder) {}
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  /// Consumers that are left get nothing any more.
  ~Recording();

  /// The first window begins now, that of every consumer, too. Idempotent; any thread. Returns once the recording is
  /// active. Throws std::bad_alloc, and is not active then.
  void start();

  [[nodiscard]] bool active() const noexcept { return active_.load(std::memory_order_acquire); }

  /// The window since the last drain. Requires active(). Blocks as Reader::drain does.
  [[nodiscard]] absl::Status drain(Window& window) { return reader_->drain(window); }

 private:
  class Lock;

  Recorder* recorder_;
  std::atomic<bool> active_{false};
  std::optional<Reader> reader_;
  /// The process whose thread holds the lock; 0: none. A lock that a fork took over is held by a thread that the child
  /// does not have: the child takes it, and leaves the list, which may be torn, behind.
  std::atomic<std::uint32_t> locked_by_{0};
  std::uint32_t list_ = 0;  ///< Counts the lists that there were.
  Consumer* consumers_ = nullptr;
};

/// One more consumer of windows. Any thread.
class Recording::Consumer {
 public:
  /// Its first window begins now, or with the recording. Throws std::bad_alloc.
  explicit Consumer(Recording& recording);
  Consumer(const Consumer&) = delete;
  Consumer& operator=(const Consumer&) = delete;
  ~Consumer() { close(); }

  /// The reader, which stays whole while the caller has it; null before the recording has started and after close().
  /// Throws std::bad_alloc.
  [[nodiscard]] std::shared_ptr<Reader> reader();

  /// Gives the reader back. Idempotent.
  void close() noexcept;

 private:
  friend class Recording;

  Recording* recording_;  ///< Null once closed, or once the recording is gone.
  std::uint32_t list_ = 0;
  Consumer* previous_ = nullptr;
  Consumer* next_ = nullptr;
  std::shared_ptr<Reader> reader_;
};

}  // namespace sluice::bindings
