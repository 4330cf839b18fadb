// SPDX-License-Identifier: Apache-2.0
#include "sluice/series.hpp"

#include <algorithm>
#include <utility>

#include "series_names.hpp"
#include "sluice/group_counts.hpp"

namespace sluice::inline v0_1 {
namespace {

void add_to(std::span<std::uint64_t> sums, std::span<const std::uint64_t> more) noexcept {
  for (std::size_t i = 0; i < more.size(); ++i) sums[i] += more[i];
}

void widen(std::span<std::uint64_t> extremes, std::span<const std::uint64_t> other) noexcept {
  for (std::size_t i = 0; i < other.size(); ++i) extremes[i] = std::max(extremes[i], other[i]);
}

}  // namespace

SeriesCounts::SeriesCounts(std::shared_ptr<const detail::SeriesNames> names, const SchemaInfo& schema,
                           std::uint8_t mode, bool has_extremes) noexcept
    : names_(std::move(names)), schema_(&schema), mode_(mode), extremes_(has_extremes ? schema.extremes : 0) {}

SeriesView SeriesCounts::operator[](std::size_t i) const noexcept {
  const std::span<const std::uint64_t> all = words(i);
  return {.series = Series(listed_[i], names_->owner()),
          .labels = names_->labels(listed_[i]),
          .request_count = all[0],
          .counts = {schema_, mode_, all.subspan(1, schema_->sums), all.subspan(1U + schema_->sums)}};
}

std::optional<SeriesView> SeriesCounts::find(Series series) const noexcept {
  if (!has(series.number()) || !series.is_of(names_->owner())) return std::nullopt;
  return (*this)[position_[series.number()] - 1];
}

void SeriesCounts::make_room(std::uint32_t number) {
  if (has(number)) return;
  if (number >= position_.size()) position_.resize(number + 1);
  const std::size_t needed = (listed_.size() + 1) * stride();
  if (words_.size() < needed) words_.resize(needed);
  listed_.push_back(number);
  position_[number] = static_cast<std::uint32_t>(listed_.size());
}

void SeriesCounts::make_room_for(const SeriesCounts& other) {
  for (std::size_t i = 0; i < other.size(); ++i) {
    if (other.words(i)[0] != 0) make_room(other.listed_[i]);
  }
}

SeriesCounts::Entry SeriesCounts::at(std::uint32_t number) noexcept {
  const std::span<std::uint64_t> all(words_.data() + (position_[number] - 1) * stride(), stride());
  return {all[0], all.subspan(1, schema_->sums), all.subspan(1U + schema_->sums)};
}

void SeriesCounts::move_unknown() {
  for (std::size_t i = 0; i < size(); ++i) {
    if (words(i)[0] == 0 || names_->knows(listed_[i])) continue;
    make_room(detail::SeriesNames::kOverflow);
    const Entry from = at(listed_[i]);
    const Entry to = at(detail::SeriesNames::kOverflow);
    to.request_count += std::exchange(from.request_count, 0);
    add_to(to.sums, from.sums);
    widen(to.extremes, from.extremes);
    std::fill(from.sums.begin(), from.sums.end(), 0);
    std::fill(from.extremes.begin(), from.extremes.end(), 0);
  }
}

void SeriesCounts::add_saturated(std::uint32_t number, std::uint64_t count, std::span<const std::uint64_t> sums) {
  const std::uint32_t target = names_->knows(number) ? number : detail::SeriesNames::kOverflow;
  make_room(target);
  const Entry to = at(target);
  to.request_count = saturated_sum(to.request_count, count);
  for (std::size_t i = 0; i < sums.size(); ++i) to.sums[i] = saturated_sum(to.sums[i], sums[i]);
}

void SeriesCounts::add_saturated(const SeriesCounts& other) {
  mode_ = std::max(mode_, other.mode_);
  for (std::size_t i = 0; i < other.size(); ++i) {
    const std::span<const std::uint64_t> all = other.words(i);
    add_saturated(other.listed_[i], all[0], all.subspan(1, schema_->sums));
  }
}

SeriesCounts SeriesCounts::since(const SeriesCounts& earlier) const {
  if (unused() || !has_numbers_of(earlier)) return *this;
  SeriesCounts later = without_entries();
  std::vector<std::uint64_t> amounts;
  for (std::size_t i = 0; i < size(); ++i) {
    const std::span<const std::uint64_t> all = words(i).first(1U + schema_->sums);
    amounts.assign(all.begin(), all.end());
    if (earlier.has(listed_[i])) {
      const std::span<const std::uint64_t> before = earlier.words(earlier.position_[listed_[i]] - 1);
      for (std::size_t k = 0; k < amounts.size(); ++k) amounts[k] = growth(before[k], amounts[k]);
    }
    const bool grew = std::any_of(amounts.begin(), amounts.end(), [](std::uint64_t amount) { return amount != 0; });
    if (grew) later.add_saturated(listed_[i], amounts.front(), std::span(amounts).subspan(1));
  }
  return later;
}

void SeriesCounts::add_unlabelled(std::uint64_t count, std::span<const std::uint64_t> sums,
                                  std::span<const std::uint64_t> extremes) {
  if (count == 0) return;
  make_room(0);
  const Entry to = at(0);
  to.request_count += count;
  add_to(to.sums, sums);
  widen(to.extremes, extremes);
}

bool SeriesCounts::has_numbers_of(const SeriesCounts& other) const noexcept {
  return !unused() && !other.unused() && names_->has_origin_of(*other.names_);
}

void SeriesCounts::adopt_names(const SeriesCounts& other) noexcept {
  if (other.names_->size() > names_->size()) names_ = other.names_;
}

void SeriesCounts::merge(const SeriesCounts& later) noexcept {
  for (std::size_t i = 0; i < later.size(); ++i) {
    const std::span<const std::uint64_t> all = later.words(i);
    if (all[0] == 0) continue;
    const Entry to = at(later.listed_[i]);
    to.request_count += all[0];
    add_to(to.sums, all.subspan(1, schema_->sums));
    widen(to.extremes, all.subspan(1U + schema_->sums));
  }
}

void SeriesCounts::total(std::span<std::uint64_t> sums, std::span<std::uint64_t> extremes) const noexcept {
  std::fill(sums.begin(), sums.end(), 0);
  std::fill(extremes.begin(), extremes.end(), 0);
  for (std::size_t i = 0; i < size(); ++i) {
    add_to(sums, words(i).subspan(1, sums.size()));
    widen(extremes, words(i).subspan(1 + sums.size()));
  }
}

void SeriesCounts::clear() noexcept {
  if (listed_.empty()) return;
  std::fill_n(words_.begin(), listed_.size() * stride(), 0);
  for (const std::uint32_t number : listed_) position_[number] = 0;
  listed_.clear();
}

}  // namespace sluice
