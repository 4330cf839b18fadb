// SPDX-License-Identifier: Apache-2.0
// Random windows, readings and labels, for the targets that encode them.
#pragma once

#include <algorithm>
#include <array>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/wsgi/schema/window.hpp"
#include "sluice/encode/encode.hpp"
#include "sluice/registry.hpp"
#include "sluice/window.hpp"
#include "tests/core/phases.hpp"
#include "tests/fuzz/input.hpp"

namespace sluice::fuzz {

/// The schema of all samples: the eight phases.
inline constexpr const SchemaInfo& kSchema = schema_info<wsgi::Completion>;

/// Returns the field of a member.
template <auto kMember>
constexpr const FieldInfo& field_of() {
  return kSchema.fields[sluice::detail::field_of<kMember>()];
}

inline void fill_classes(Input& input, std::vector<std::uint64_t>& sums) {
  const FieldInfo& field = field_of<&wsgi::Completion::status>();
  for (std::size_t i = 0; i < field.classes.size(); ++i) sums[field.sum + i] = input.number();
}

inline void fill_buckets(Input& input, const FieldInfo& field, std::vector<std::uint64_t>& sums) {
  for (std::size_t i = input.choice(6); i > 0; --i) {
    const std::size_t bucket = input.choice(static_cast<std::uint8_t>(field.buckets->size() - 1));
    sums[field.buckets_at + bucket] = input.number();
  }
}

/// Returns the count of a class of responses, from 0 for 1xx on. Counts of no schema are 0.
inline std::uint64_t responses(const CountsRef& counts, std::size_t which) {
  const auto classes = wsgi::status_classes(counts);
  return classes.empty() ? 0 : classes[which];
}

/// Sets the number of worker slots.
inline void resize_slots(Window& window, std::size_t size) {
  window.slots.resize(size);
  window.slot_values.resize(size * kSchema.slot_fields.size());
}

inline Window window_of(Input& input) {
  const bool daemon = input.flag();
  Window window(kSchema, static_cast<std::uint8_t>(daemon ? wsgi::Mode::kDaemon : wsgi::Mode::kEmbedded), 0);
  window.start_time = static_cast<double>(input.integer(4));
  window.sample_period = static_cast<double>(input.integer(2)) / 64.0;
  window.stop_time = window.start_time + window.sample_period;
  window.request_count = input.number();
  fill_classes(input, window.sums);
  for (const FieldInfo& field : kSchema.fields) {
    if (field.kind != FieldKind::kHistogram) continue;
    fill_buckets(input, field, window.sums);
    window.sums[field.sum] = input.number();
    if (!input.flag()) continue;
    const std::uint64_t smallest = input.number();
    window.extremes[field.extreme] = smallest + input.number();
    window.extremes[field.extreme + std::size_t{1}] = ~smallest;
  }
  window.sums[field_of<&wsgi::Completion::input_bytes>().sum] = input.number();
  window.sums[field_of<&wsgi::Completion::output_writes>().sum] = input.number();
  resize_slots(window, input.choice(4));
  for (auto& slot : window.slots) slot.completed = input.number();
  window.active_requests = input.number();
  return window;
}

inline GroupReading reading_of(Input& input) {
  GroupReading reading;
  const bool daemon = input.flag();
  reading.mode = static_cast<std::uint8_t>(daemon ? wsgi::Mode::kDaemon : wsgi::Mode::kEmbedded);
  reading.counts.schema = &kSchema;
  reading.counts.mode = reading.mode;
  std::vector<std::uint64_t>& sums = reading.counts.sums;
  sums.resize(kSchema.sums);
  fill_classes(input, sums);
  for (const FieldInfo& field : kSchema.fields) {
    if (field.kind != FieldKind::kHistogram || !input.flag()) continue;
    fill_buckets(input, field, sums);
    sums[field.sum] = input.number();
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

  /// The names of labels that encoders use themselves.
  static constexpr std::array<std::string_view, 6> kTaken{"le",     "phase",    "status_class",
                                                          "thread", "quantile", "__name__"};

  /// Returns the labels that a format must write: those with a name that is not taken and that did not come before.
  /// Names are compared as `name_as` rewrites them.
  template <class NameAs, class ValueAs>
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> expected(
      NameAs&& name_as, ValueAs&& value_as, std::span<const std::string_view> taken = kTaken) const {
    std::vector<std::pair<std::string, std::string>> kept;
    for (const encode::Label& label : labels_) {
      const std::string name = name_as(label.name);
      bool known = name.empty() || std::find(taken.begin(), taken.end(), name) != taken.end();
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
  histograms.fields =
      test::only_phases({wsgi::Phase::kRequest, static_cast<wsgi::Phase>(input.choice(wsgi::kPhases - 1))});
  histograms.bounds = input.flag() ? encode::Bounds::kRound : encode::Bounds::kExact;
  histograms.resolution = static_cast<Resolution>(input.choice(4));
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
