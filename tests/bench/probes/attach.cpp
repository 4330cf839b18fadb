// SPDX-License-Identifier: Apache-2.0
// The functions named measured_*, whose instructions callgrind counts: the tenth and the last of many slots is attached
// and given back.
#include <valgrind/callgrind.h>

#include <cstddef>
#include <vector>

#include "sluice/http.hpp"

namespace {

constexpr std::size_t kSlots = 10'000;

}  // namespace

extern "C" [[gnu::noinline]] void measured_attach(sluice::http::Recorder& recorder, sluice::http::Worker& worker) {
  worker = recorder.attach();
}

int main() {
  sluice::http::Recorder recorder({.threads = kSlots});
  std::vector<sluice::http::Worker> workers(kSlots);
  for (std::size_t i = 0; i < kSlots; ++i) {
    if (i + 1 == 10 || i + 1 == kSlots) {
      CALLGRIND_ZERO_STATS;
      measured_attach(recorder, workers[i]);
      CALLGRIND_DUMP_STATS_AT(i + 1 == 10 ? "slot 10" : "slot 10000");
    } else {
      workers[i] = recorder.attach();
    }
    if (!workers[i].has_slot() || workers[i].slot() != i) return 1;
  }
}
