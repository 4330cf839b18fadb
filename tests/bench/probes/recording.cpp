// SPDX-License-Identifier: Apache-2.0
// The recording path of a host, each half alone and both together, in functions whose names a disassembly shows: with
// the eight phases, and with a small schema.
#include <cstdint>
#include <new>

#include "adapters/wsgi/schema/completion.hpp"
#include "bench/small.hpp"
#include "sluice/recorder.hpp"

namespace {

template <class T>
[[gnu::always_inline]] inline void begin(sluice::Worker<T>& worker, std::uint64_t now_ns, sluice::Request<T>* storage) {
  new (storage) sluice::Request<T>(worker.begin(now_ns));
}

template <class T>
[[gnu::always_inline]] inline void record(sluice::Worker<T>& worker, const T& done, std::uint64_t start_ns,
                                          std::uint64_t stop_ns) {
  worker.begin(start_ns).finish(done, stop_ns);
}

}  // namespace

using Phases = sluice::wsgi::Completion;
using sluice::bench::Small;

extern "C" {

[[gnu::visibility("default")]] void probe_begin(sluice::Worker<Phases>& worker, std::uint64_t now_ns,
                                                sluice::Request<Phases>* storage) {
  begin(worker, now_ns, storage);
}

[[gnu::visibility("default")]] void probe_finish(sluice::Request<Phases>& request, const Phases& done,
                                                 std::uint64_t now_ns) {
  request.finish(done, now_ns);
}

[[gnu::visibility("default")]] void probe_record(sluice::Worker<Phases>& worker, const Phases& done,
                                                 std::uint64_t start_ns, std::uint64_t stop_ns) {
  record(worker, done, start_ns, stop_ns);
}

[[gnu::visibility("default")]] void small_begin(sluice::Worker<Small>& worker, std::uint64_t now_ns,
                                                sluice::Request<Small>* storage) {
  begin(worker, now_ns, storage);
}

[[gnu::visibility("default")]] void small_finish(sluice::Request<Small>& request, const Small& done,
                                                 std::uint64_t now_ns) {
  request.finish(done, now_ns);
}

[[gnu::visibility("default")]] void small_series_begin(sluice::Worker<Small>& worker, sluice::Series series,
                                                       std::uint64_t now_ns, sluice::Request<Small>* storage) {
  new (storage) sluice::Request<Small>(worker.begin(series, now_ns));
}

[[gnu::visibility("default")]] void small_record(sluice::Worker<Small>& worker, const Small& done,
                                                 std::uint64_t start_ns, std::uint64_t stop_ns) {
  record(worker, done, start_ns, stop_ns);
}
}
