// SPDX-License-Identifier: Apache-2.0
// The memory of a slot and of a series of a slot, where workers write and where readers keep what they read: by the
// sizes of types, and as the kernel has it. Prints a line for each: schema, part, bytes by the types, bytes as
// committed.
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/wsgi/schema/recorder.hpp"
#include "sluice/detail/series_block.hpp"
#include "sluice/detail/slot.hpp"
#include "sluice/detail/slot_reader_state.hpp"
#include "sluice/http.hpp"

namespace {

using namespace sluice;

/// Returns the private memory of the process, in bytes.
std::uint64_t committed() {
  std::FILE* const file = std::fopen("/proc/self/smaps_rollup", "r");
  char line[256];
  std::uint64_t dirty_kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) std::sscanf(line, "Private_Dirty: %" SCNu64, &dirty_kib);
  std::fclose(file);
  return dirty_kib * 1024;
}

/// Bytes by the types, and bytes that the kernel committed.
struct Bytes {
  std::size_t by_type = 0;
  std::uint64_t committed = 0;
};

/// Memory of `units` slots or series: that of records in two epochs that follow one another, so that both banks are
/// used, and that of the drains after them.
template <class Record, class Drain>
void measure(Record&& record, Drain&& drain, std::size_t units, Bytes& written, Bytes& kept) {
  for (int epoch = 0; epoch < 2; ++epoch) {
    const std::uint64_t before = committed();
    record();
    const std::uint64_t between = committed();
    drain();
    written.committed += between - before;
    kept.committed += committed() - between;
  }
  written.committed /= units;
  kept.committed /= units;
}

void print(const char* schema, const char* part, const Bytes& bytes) {
  std::printf("%s %s %zu %" PRIu64 "\n", schema, part, bytes.by_type, bytes.committed);
}

template <class T>
void measure_schema(const char* schema, std::uint8_t mode) {
  constexpr std::size_t kSlots = 256;
  constexpr std::size_t kSeries = 1'000;
  constexpr std::size_t kWindows = 3;  // the cut under way, the reader's pending window, and the caller's
  using Slot = detail::Slot<detail::ProductionAtomics, T>;
  using Cell = detail::SeriesCell<detail::ProductionAtomics, T>;
  const std::size_t read = 2 * detail::CountedWords::of(schema_info<T>, mode).sums * sizeof(std::uint64_t);
  const std::size_t entry = (1 + schema_info<T>.sums + schema_info<T>.extremes) * sizeof(std::uint64_t);
  Bytes slot{sizeof(Slot)};
  Bytes slot_reader{sizeof(detail::SlotReaderState) + read};
  Bytes series{sizeof(Cell)};
  Bytes series_reader{sizeof(detail::SeriesReaderState::Banks) + read + kWindows * entry};

  Recorder<T> recorder({.threads = kSlots, .series = kSeries, .mode = mode});
  Reader reader = recorder.add_reader();
  Window window;
  const auto drain = [&] {
    if (!reader.drain(window).ok()) std::abort();
  };
  std::vector<Series> all;
  for (std::size_t i = 0; i < kSeries; ++i) {
    const std::string name = std::to_string(i);
    all.push_back(recorder.series({{"n", name}}));
  }
  drain();
  std::vector<Worker<T>> workers;
  workers.reserve(kSlots);
  const auto serve = [&] {
    while (workers.size() < kSlots) workers.push_back(recorder.attach());
    for (Worker<T>& worker : workers) worker.begin().finish({});
  };
  measure(serve, drain, kSlots, slot, slot_reader);
  const auto serve_all = [&] {
    for (const Series one_series : all) workers[0].begin(one_series).finish({});
  };
  measure(serve_all, drain, kSeries, series, series_reader);
  print(schema, "slot", slot);
  print(schema, "slot-reader", slot_reader);
  print(schema, "series", series);
  print(schema, "series-reader", series_reader);
}

}  // namespace

/// Measures the schema that the argument names. One a process, because memory that was given back is used again.
int main(int, char** argv) {
  if (std::string_view(argv[1]) == "http") {
    measure_schema<http::Request>(argv[1], 0);
  } else {
    measure_schema<wsgi::Completion>(argv[1], 1);
  }
}
