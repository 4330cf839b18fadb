// SPDX-License-Identifier: Apache-2.0
#include "series_names.hpp"

#include <string_view>
#include <utility>

#include "encode/catalogue.hpp"

namespace sluice::inline v0_1::detail {
namespace {

/// Returns a text that differs between sets of labels that all formats of labels tell apart.
std::string key_of(Labels labels) {
  std::string key;
  for (const Label& label : labels) {
    for (std::size_t i = 0; i < label.name.size(); ++i) key.push_back(encode::name_character(label.name[i], i == 0));
    key.append("=").append(std::to_string(label.value.size())).append(":");
    for (const char byte : label.value) key.push_back(value_character(byte));
  }
  return key;
}

/// Returns a number that this process has not given before, and not 0.
std::uint32_t next_owner() noexcept {
  static constinit std::atomic<std::uint32_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;  // publishes no other data
}

constexpr Label kOverflowLabel{"otel.metric.overflow", "true", LabelType::kBoolean};

}  // namespace

SeriesNames::LabelSet::LabelSet(Labels of) : labels(of.begin(), of.end()) {
  std::size_t bytes = 0;
  for (const Label& label : labels) bytes += label.name.size() + label.value.size();
  text.reserve(bytes);  // so that views into it stay valid
  for (Label& label : labels) {
    for (std::string_view* const part : {&label.name, &label.value}) {
      const std::size_t at = text.size();
      text.append(*part);
      *part = std::string_view(text).substr(at);
    }
  }
}

SeriesNames::SeriesNames(std::size_t most)
    : most_(most),
      owner_(next_owner()),
      sets_(std::make_unique<std::unique_ptr<const LabelSet>[]>(most + kOverflow + 1)) {
  add({}, std::make_unique<const LabelSet>(Labels()));
  add(key_of({&kOverflowLabel, 1}), std::make_unique<const LabelSet>(Labels(&kOverflowLabel, 1)));
}

SeriesNames::SeriesNames(const SeriesNames& parent) : SeriesNames(parent.most_) {
  owner_ = parent.owner_;
  // Synchronizes with the store of used_ in add(), so the sets below it are complete.
  const std::uint32_t used = parent.used_.load(std::memory_order_acquire);
  for (std::uint32_t i = kOverflow + 1; i < used; ++i) {
    add(key_of(parent.labels(i)), std::make_unique<const LabelSet>(parent.labels(i)));
  }
}

std::uint32_t SeriesNames::number_of(Labels labels, IfNew if_new) {
  std::string key = key_of(labels);
  std::unique_lock lock(mutex_, std::defer_lock);
  if (!closed_) lock.lock();
  if (const auto entry = numbers_.find(key); entry != numbers_.end()) return entry->second;
  if (closed_) return kOverflow;
  const std::uint32_t number = used_.load(std::memory_order_relaxed);  // own store, under the lock
  if (number > most_ + kOverflow || if_new == IfNew::kOverflow) return kOverflow;
  add(std::move(key), std::make_unique<const LabelSet>(labels));
  return number;
}

Labels SeriesNames::labels(std::uint32_t number) const noexcept {
  if (!knows(number)) return {};
  return sets_[number]->labels;
}

/// Adds a set with the next number. The caller has the lock, or the names are its own.
void SeriesNames::add(std::string key, std::unique_ptr<const LabelSet> set) {
  const std::uint32_t number = used_.load(std::memory_order_relaxed);  // own store
  numbers_.emplace(std::move(key), number);
  sets_[number] = std::move(set);
  used_.store(number + 1, std::memory_order_release);  // publishes the set
}

}  // namespace sluice::detail
