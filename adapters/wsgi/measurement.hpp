// What is measured of one request while it runs, and the release of an interpreter's lock that measures the wait for
// it.
#pragma once

#include <Python.h>

#include <cstdint>

#include "sluice/clock.hpp"
#include "sluice/completion.hpp"
#include "sluice/marks.hpp"

namespace sluice::wsgi {

/// Filled by the thread that serves the request.
struct Measurement {
  Marks marks;
  Completion done{.status = 0};
  std::uint64_t input_ns = 0;
  std::uint64_t output_ns = 0;
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
