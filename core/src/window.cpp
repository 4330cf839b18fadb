// SPDX-License-Identifier: Apache-2.0
#include "sluice/window.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "recorded_window.hpp"
#include "sluice/detail/used_buckets.hpp"
#include "sluice/units.hpp"

namespace sluice::inline v0_1 {

namespace {

/// Sets words to 0. Writes only blocks that are not 0 already, because most buckets of most windows are.
void clear(std::vector<std::uint64_t>& words) noexcept {
  constexpr std::size_t kBlock = 16;
  std::uint64_t* const at = words.data();
  std::size_t i = 0;
  for (; i + kBlock <= words.size(); i += kBlock) {
    std::uint64_t any = 0;
    for (std::size_t k = i; k < i + kBlock; ++k) any |= at[k];
    if (any != 0) std::fill_n(at + i, kBlock, 0);
  }
  std::fill(at + i, at + words.size(), 0);
}

/// \throws std::invalid_argument if the counts of one window mean something else in the other.
void require_like(const Window& window, const Window& later) {
  const bool of_one_schema = window.schema == nullptr || later.schema == nullptr ||
                             (window.schema->hash == later.schema->hash && window.mode == later.mode);
  if (!of_one_schema || later.slots.size() != window.slots.size()) {
    throw std::invalid_argument("windows of two schemas or modes, or of other numbers of slots, cannot be merged");
  }
}

/// Adds the series of a window that is not of the same recorder in the same process: one of both has no series, so that
/// its requests have no labels, or a fork lies between them.
void merge_other_series(Window& to, const Window& later) {
  const bool neither_is_unused = !to.series.unused() && !later.series.unused();
  if (neither_is_unused && !later.series.has_numbers_of(to.series)) {
    throw std::invalid_argument("windows with series of two recorders cannot be merged");
  }
  SeriesCounts both = to.series.unused() ? later.series.without_entries() : to.series;
  if (to.series.unused()) both.add_unlabelled(to.request_count, to.sums, to.extremes);
  if (later.series.unused()) {
    both.add_unlabelled(later.request_count, later.sums, later.extremes);
  } else {
    both.make_room_for(later.series);
    both.merge(later.series);
    both.adopt_names(later.series);
  }
  to.series = std::move(both);
}

/// Adds the counts of the next window, the sums of requests by a call of `add_sums()`.
template <class AddSums>
void merge(Window& to, const Window& later, AddSums&& add_sums) {
  require_like(to, later);
  if (to.series.is_like(later.series)) {
    to.series.make_room_for(later.series);
    to.series.merge(later.series);
  } else if (to.schema != nullptr) {
    merge_other_series(to, later);
  }
  to.request_count += later.request_count;
  for (std::size_t i = 0; i < to.slots.size(); ++i) to.slots[i].merge(later.slots[i]);
  if (later.request_count == 0 || to.schema == nullptr) return;
  add_sums();
  for (std::size_t i = 0; i < to.schema->extremes_in[to.mode]; ++i) {
    to.extremes[i] = std::max(to.extremes[i], later.extremes[i]);
  }
  std::uint64_t* value = to.slot_values.data();
  const std::uint64_t* other = later.slot_values.data();
  for (std::size_t slot = 0; slot < to.slots.size(); ++slot) {
    for (const SlotField& field : to.schema->slot_fields) {
      *value = field.extreme ? std::max(*value, *other) : *value + *other;
      ++value;
      ++other;
    }
  }
}

/// Sets all counts to zero, the sums by a call of `clear_sums()`.
template <class ClearSums>
void clear_all(Window& window, ClearSums&& clear_sums) noexcept {
  clear_sums();
  window.request_count = 0;
  clear(window.extremes);
  clear(window.slot_values);
  window.series.clear();
  window.exemplars.clear();
  std::fill(window.slots.begin(), window.slots.end(), SlotWindow{});
}

}  // namespace

void SlotWindow::merge(const SlotWindow& later) noexcept {
  completed += later.completed;
  busy_ns += later.busy_ns;
  current_elapsed_ns = later.current_elapsed_ns;
  in_flight = later.in_flight;
}

Window::Window(const SchemaInfo& what, std::uint8_t in_mode, std::size_t threads)
    : schema(&what),
      mode(in_mode),
      sums(what.sums),
      extremes(what.extremes),
      slot_values(threads * what.slot_fields.size()),
      slots(threads) {}

double Window::per_second(double amount) const noexcept { return sample_period > 0.0 ? amount / sample_period : 0.0; }

double Window::request_throughput() const noexcept { return per_second(static_cast<double>(request_count)); }

double Window::cpu_user_utilization() const noexcept { return per_second(seconds_of_us(cpu_user_us)); }

double Window::cpu_system_utilization() const noexcept { return per_second(seconds_of_us(cpu_system_us)); }

double Window::capacity_utilization() const noexcept {
  const double busy = std::accumulate(slots.begin(), slots.end(), 0.0, [](double sum, const SlotWindow& slot) {
    return sum + seconds_of_ns(slot.busy_ns);
  });
  const double capacity = sample_period * static_cast<double>(slots.size());
  return capacity > 0.0 ? busy / capacity : 0.0;
}

std::size_t Window::threads_active() const noexcept {
  if (event_loops) return 0;
  return static_cast<std::size_t>(std::count_if(
      slots.begin(), slots.end(), [](const SlotWindow& slot) { return slot.completed != 0 || slot.in_flight; }));
}

void Window::merge_counts(const Window& later) {
  merge(*this, later, [&] {
    for (std::size_t i = 0; i < schema->sums_in[mode]; ++i) sums[i] += later.sums[i];
  });
}

void Window::append(const Window& next) {
  if (next.schema == nullptr) return;
  if (schema == nullptr) {
    *this = next;
    return;
  }
  std::vector<Exemplar> kept = next.exemplars;  // before anything is added, because it may throw
  merge_counts(next);
  exemplars = std::move(kept);
  stop_time = next.stop_time;
  sample_period += next.sample_period;
  elapsed_ns += next.elapsed_ns;
  threads_started = next.threads_started;
  active_requests = next.active_requests;
  oldest_request_ns = next.oldest_request_ns;
  untracked_requests = next.untracked_requests;
  event_loops = next.event_loops;
  resources = next.resources;
  cpu_user_us += next.cpu_user_us;
  cpu_system_us += next.cpu_system_us;
}

void Window::clear_counts() noexcept {
  clear_all(*this, [this] { clear(sums); });
}

namespace detail {

void merge_recorded(Window& window, const Window& later) {
  merge(window, later, [&] {
    for_each_used_run(*later.schema, later.mode, later.extremes, [&](std::size_t first, std::size_t size) {
      for (std::size_t i = first; i < first + size; ++i) window.sums[i] += later.sums[i];
    });
  });
}

void clear_recorded(Window& window) noexcept {
  clear_all(window, [&] {
    for_each_used_run(*window.schema, window.mode, window.extremes, [&](std::size_t first, std::size_t size) {
      std::fill_n(window.sums.begin() + static_cast<std::ptrdiff_t>(first), size, 0);
    });
  });
}

}  // namespace detail

}  // namespace sluice
