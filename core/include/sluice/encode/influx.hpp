// InfluxDB's line protocol: a line of counts, one for each phase, one for each worker slot of the totals. Integers are
// signed (`i`), as all versions of the database take them, and what exceeds them is written as the largest.
//
// Fields of a phase are `count`, `sum`, `min`, `max` (seconds) and the number of requests up to each bound, named by
// it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "sluice/encode/encode.hpp"

namespace sluice::encode {

struct InfluxOptions {
  std::string_view measurement = "http_server";  ///< Phases and threads have longer names. Empty: this one.
  Labels tags = {};  ///< On every line. Those without a value are left out; a backslash becomes a slash.
  Histograms histograms = {};
};

/// Lines with the time of the window's end, or of the totals. Any thread. Allocates nothing.
Encoded influx(const Source& source, const InfluxOptions& options, std::span<char> out) noexcept;

}  // namespace sluice::encode
