// SPDX-License-Identifier: Apache-2.0
// A reader that keeps the memory of a window from one call to the next, because a window of many threads and buckets
// takes longer to make than to fill.
#pragma once

#include <atomic>
#include <memory>
#include <utility>

#include "adapters/wsgi/schema/recorder.hpp"

namespace sluice::bindings {

/// Any thread may call any member, and a process forked from this one may, too.
class WindowReader {
 public:
  explicit WindowReader(Reader reader) noexcept : reader_(std::move(reader)) {}
  WindowReader(const WindowReader&) = delete;
  WindowReader& operator=(const WindowReader&) = delete;
  ~WindowReader() { delete kept_.load(std::memory_order_acquire); }

  [[nodiscard]] Reader& reader() noexcept { return reader_; }

  /// Returns a window to drain into: the one that was kept, or a new one. Throws std::bad_alloc.
  [[nodiscard]] std::unique_ptr<Window> take_window() {
    // Acquires what another thread did to the window before it gave it to keep().
    std::unique_ptr<Window> kept(kept_.exchange(nullptr, std::memory_order_acquire));
    return kept ? std::move(kept) : std::make_unique<Window>();
  }

  /// Keeps a window that was filled by the reader. Of those of two threads it keeps the last.
  void keep(std::unique_ptr<Window> window) noexcept {
    delete kept_.exchange(window.release(), std::memory_order_acq_rel);
  }

 private:
  Reader reader_;
  std::atomic<Window*> kept_{nullptr};
};

}  // namespace sluice::bindings
