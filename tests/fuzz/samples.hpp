// SPDX-License-Identifier: Apache-2.0
// Random windows, readings and labels, for the targets that encode them.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "sluice/encode/encode.hpp"
#include "sluice/registry.hpp"
#include "sluice/window.hpp"
#include "tests/fuzz/input.hpp"

namespace sluice::fuzz {

inline void fill_buckets(Input& input, std::array<std::uint64_t, BucketLayout::kBuckets>& buckets) {
  for (std::size_t i = input.choice(6); i > 0; --i) buckets[input.choice(BucketLayout::kBuckets - 1)] = input.number();
}

inline Window window_of(Input& input) {
  Window window;
  window.mode = input.flag() ? Mode::kDaemon : Mode::kEmbedded;
  window.start_time = static_cast<double>(input.integer(4));
  window.sample_period = static_cast<double>(input.integer(2)) / 64.0;
  window.stop_time = window.start_time + window.sample_period;
  window.request_count = input.number();
  for (auto& value : window.status_classes) value = input.number();
  for (auto& phase : window.phases) {
    fill_buckets(input, phase.buckets);
    phase.total_us = input.number();
    if (!input.flag()) continue;
    phase.smallest_us = input.number();
    phase.largest_us = phase.smallest_us + input.number();
  }
  window.input_bytes = input.number();
  window.output_writes = input.number();
  window.slots.resize(input.choice(4));
  for (auto& slot : window.slots) slot.completed = input.number();
  window.active_requests = input.number();
  return window;
}

inline GroupReading reading_of(Input& input) {
  GroupReading reading;
  reading.mode = input.flag() ? Mode::kDaemon : Mode::kEmbedded;
  for (auto& value : reading.counts.status_classes) value = input.number();
  for (auto& phase : reading.counts.phases) {
    if (!input.flag()) continue;
    fill_buckets(input, phase.buckets);
    phase.total_us = input.number();
  }
  reading.counts.busy_ns = input.number();
  reading.processes = input.number();
  return reading;
}

/// Names and values of labels, and the views of them that the encoders take.
class RandomLabels {
 public:
  explicit RandomLabels(Input& input) {
    for (std::size_t i = input.choice(5); i > 0; --i) {
      const std::string& name = texts_.emplace_back(input.text(12));
      const std::string& value = texts_.emplace_back(input.text(30));
      labels_.push_back({name, value});
    }
  }

  [[nodiscard]] encode::Labels get() const { return labels_; }

  /// Returns the labels that a format must write: those with a name that the encoder does not use and that did not come
  /// before. Names are compared as `name_as` rewrites them.
  template <class NameAs, class ValueAs>
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> expected(NameAs&& name_as, ValueAs&& value_as) const {
    std::vector<std::pair<std::string, std::string>> kept;
    for (const encode::Label& label : labels_) {
      const std::string name = name_as(label.name);
      bool known = name.empty();
      for (const char* own : {"le", "phase", "status_class", "thread", "quantile"}) known = known || name == own;
      for (const auto& [earlier, value] : kept) known = known || name == earlier;
      if (!known) kept.emplace_back(name, value_as(label.value));
    }
    return kept;
  }

 private:
  std::deque<std::string> texts_;
  std::vector<encode::Label> labels_;
};

/// Returns a set of one or two phases, because histograms are most of the output.
inline encode::Histograms histograms_of(Input& input) {
  encode::Histograms histograms;
  histograms.phases = encode::PhaseSet(Phase::kRequest, static_cast<Phase>(input.choice(kPhases - 1)));
  histograms.bounds = input.flag() ? encode::Bounds::kRound : encode::Bounds::kExact;
  histograms.resolution = static_cast<encode::Resolution>(input.choice(4));
  return histograms;
}

/// Returns the output of an encoder, from a buffer of exactly its size. A shorter buffer must give the same length.
template <class Encode>
std::string encoded(Input& input, Encode&& encode) {
  std::vector<char> part(input.flag() ? 0 : input.integer(2));
  const encode::Encoded first = encode(std::span<char>(part));
  const std::size_t needed = first.bytes();
  require(first.complete() == (needed <= part.size()), "a short buffer is noticed");
  std::vector<char> whole(needed);
  require(encode(std::span<char>(whole)).complete(), "a buffer of the stated length takes all");
  return {whole.begin(), whole.end()};
}

}  // namespace sluice::fuzz
