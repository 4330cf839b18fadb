// What is measured of one request while it runs, and the release of an interpreter's lock that measures the wait for
// it.
#pragma once

#include <Python.h>

#include <cstdint>

#include "sluice/clock.hpp"
#include "sluice/completion.hpp"
#include "sluice/slow_requests.hpp"
#include "sluice/timestamps.hpp"

namespace sluice::wsgi {

/// Filled by the thread that serves the request.
struct Measurement {
  Timestamps timestamps;
  Completion done{.status = 0};
  std::uint64_t input_ns = 0;
  std::uint64_t output_ns = 0;
  std::uint32_t daemon_tries = 0;  ///< Connections to daemon processes that it took; 0 in embedded mode.
  SlowRequests* slow = nullptr;    ///< Where others can see how far the request is; null: nobody looks.
  std::size_t slot = 0;

  void mark_entered() noexcept {
    timestamps.entered_ns = monotonic_ns();
    if (slow != nullptr) [[unlikely]] {
      slow->enter(slot, timestamps.entered_ns);
    }
  }
  void mark_left() noexcept {
    timestamps.left_ns = monotonic_ns();
    if (slow != nullptr) [[unlikely]] {
      slow->leave(slot, timestamps.left_ns);
    }
  }
};

/// Gives the interpreter's lock up for a scope. The wait to have it back counts as a GIL wait of the request.
class WithoutGil {
 public:
  explicit WithoutGil(Measurement& measurement) noexcept : measurement_(measurement), state_(PyEval_SaveThread()) {}
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;
  ~WithoutGil() {
    const std::uint64_t start_ns = monotonic_ns();
    PyEval_RestoreThread(state_);
    measurement_.done.gil_waits.add(monotonic_ns() - start_ns);
  }

 private:
  Measurement& measurement_;
  PyThreadState* state_;
};

}  // namespace sluice::wsgi
