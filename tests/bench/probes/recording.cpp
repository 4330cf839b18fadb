// SPDX-License-Identifier: Apache-2.0
// The recording path of a host, each half alone and both together, in functions whose names a disassembly shows.
#include <cstdint>
#include <new>

#include "sluice/recorder.hpp"

extern "C" {

[[gnu::visibility("default")]] void probe_begin(sluice::Worker& worker, std::uint64_t now_ns,
                                                sluice::Request* storage) {
  new (storage) sluice::Request(worker.begin(now_ns));
}

[[gnu::visibility("default")]] void probe_finish(sluice::Request& request, const sluice::Completion& done,
                                                 std::uint64_t now_ns) {
  request.finish(done, now_ns);
}

[[gnu::visibility("default")]] void probe_record(sluice::Worker& worker, const sluice::Completion& done,
                                                 std::uint64_t start_ns, std::uint64_t stop_ns) {
  worker.begin(start_ns).finish(done, stop_ns);
}
}
