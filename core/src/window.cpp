// SPDX-License-Identifier: Apache-2.0
#include "sluice/window.hpp"

#include <algorithm>
#include <numeric>

#include "sluice/units.hpp"

namespace sluice {

std::optional<std::uint64_t> PhaseWindow::min_us() const noexcept {
  return observed() ? std::optional(smallest_us) : std::nullopt;
}

std::optional<std::uint64_t> PhaseWindow::max_us() const noexcept {
  return observed() ? std::optional(largest_us) : std::nullopt;
}

void PhaseWindow::merge(const PhaseWindow& later) noexcept {
  total_us += later.total_us;
  smallest_us = std::min(smallest_us, later.smallest_us);
  largest_us = std::max(largest_us, later.largest_us);
  for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += later.buckets[i];
}

void SlotWindow::merge(const SlotWindow& later) noexcept {
  completed += later.completed;
  busy_ns += later.busy_ns;
  cpu_ns += later.cpu_ns;
  current_elapsed_ns = later.current_elapsed_ns;
  max_duration_ns = std::max(max_duration_ns, later.max_duration_ns);
  in_flight = later.in_flight;
}

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
  return static_cast<std::size_t>(std::count_if(
      slots.begin(), slots.end(), [](const SlotWindow& slot) { return slot.completed != 0 || slot.in_flight; }));
}

double Window::mean_seconds(Phase phase) const noexcept {
  if (request_count == 0) return 0.0;
  return seconds_of_us((*this)[phase].total_us) / static_cast<double>(request_count);
}

void Window::merge_counts(const Window& later) noexcept {
  request_count += later.request_count;
  for (std::size_t i = 0; i < status_classes.size(); ++i) status_classes[i] += later.status_classes[i];
  if (later.request_count != 0) {
    for (std::size_t i = 0; i < phases_of(mode); ++i) phases[i].merge(later.phases[i]);
  }
  gil_wait_count += later.gil_wait_count;
  input_bytes += later.input_bytes;
  input_reads += later.input_reads;
  output_bytes += later.output_bytes;
  output_writes += later.output_writes;
  for (std::size_t i = 0; i < slots.size(); ++i) slots[i].merge(later.slots[i]);
}

void Window::append(const Window& next) noexcept {
  merge_counts(next);
  stop_time = next.stop_time;
  sample_period += next.sample_period;
  elapsed_ns += next.elapsed_ns;
  threads_started = next.threads_started;
  active_requests = next.active_requests;
  resources = next.resources;
  cpu_user_us += next.cpu_user_us;
  cpu_system_us += next.cpu_system_us;
}

void Window::clear_counts() noexcept {
  phases.fill(PhaseWindow{});
  request_count = 0;
  status_classes.fill(0);
  gil_wait_count = input_bytes = input_reads = output_bytes = output_writes = 0;
  std::fill(slots.begin(), slots.end(), SlotWindow{});
}

}  // namespace sluice
