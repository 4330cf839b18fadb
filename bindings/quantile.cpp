// SPDX-License-Identifier: Apache-2.0
// The function quantile() of the module, which reads the durations of a phase from the dict of a window.
#include "sluice/quantile.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <optional>
#include <string>

#include "adapters/wsgi/schema/window.hpp"
#include "bindings/items.hpp"
#include "bindings/metrics_reader.hpp"

namespace sluice::bindings {
namespace {

/// The entries of a list of buckets. The positions of requests within an entry are unknown.
constexpr const View& kEntries = wsgi::views::kQuarterOctaves;

/// The durations of a phase, as far as the dict has them.
struct Durations {
  std::uint64_t total_us = 0;
  std::uint64_t smallest_us = UINT64_MAX;
  std::uint64_t largest_us = 0;
  std::array<std::uint64_t, wsgi::BucketLayout::kSize> buckets{};

  [[nodiscard]] HistogramView view(wsgi::Phase phase) const noexcept {
    return {.total = total_us,
            .smallest = smallest_us,
            .largest = largest_us,
            .buckets = buckets,
            .field = &schema_info<wsgi::Completion>.fields[wsgi::field_of(phase)]};
  }
};

/// Returns the value of a key, or null with an exception set. The reference is owned, because comparing the caller's
/// keys may run code that removes the value from the dict.
Object item(PyObject* dict, std::string_view phase, const char* ending) {
  const std::string key = std::string(phase) + ending;
  const Object name = steal(PyUnicode_FromStringAndSize(key.data(), static_cast<Py_ssize_t>(key.size())));
  if (!name) return {};
  Object value = item_of(dict, name.ptr());
  if (!value && PyErr_Occurred() == nullptr) {
    PyErr_Format(PyExc_ValueError, "the window has no '%s'", key.c_str());
  }
  return value;
}

/// Converts a count or a duration. Returns nullopt with an exception set.
std::optional<std::uint64_t> whole(PyObject* value, const char* what) {
  if (PyLong_Check(value) != 0) {
    const unsigned long long number = PyLong_AsUnsignedLongLong(value);
    if (PyErr_Occurred() == nullptr) return number;
    PyErr_Clear();
  }
  PyErr_Format(PyExc_ValueError, "the %s of the window are not whole numbers from 0", what);
  return std::nullopt;
}

bool set_buckets(PyObject* dict, std::string_view name, Durations& phase) {
  const Object list = item(dict, name, "_buckets");
  if (!list) return false;
  if (PyList_Check(list.ptr()) == 0 || PyList_GET_SIZE(list.ptr()) != static_cast<Py_ssize_t>(kEntries.size())) {
    PyErr_Format(PyExc_ValueError, "the buckets of the window are not a list of %zu", kEntries.size());
    return false;
  }
  // No code of the application runs in this loop, because whole() accepts only int objects.
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kEntries.size(); ++i) {
    const Object item = item_at(list.ptr(), static_cast<Py_ssize_t>(i));
    const auto count = whole(item ? item.ptr() : Py_None, "buckets");
    if (!count) return false;
    if (*count > std::numeric_limits<std::uint64_t>::max() - sum) {
      PyErr_SetString(PyExc_ValueError, "the buckets of the window are too large");
      return false;
    }
    sum += *count;
    phase.buckets[kEntries.first(i)] = *count;
  }
  return true;
}

bool set_extremes(PyObject* dict, std::string_view name, Durations& phase) {
  const Object smallest = item(dict, name, "_min_us");
  const Object largest = smallest ? item(dict, name, "_max_us") : Object();
  if (!largest) return false;
  if (smallest.is_none() || largest.is_none()) return true;
  const auto least = whole(smallest.ptr(), "extremes");
  const auto most = least ? whole(largest.ptr(), "extremes") : std::nullopt;
  if (!most) return false;
  phase.smallest_us = *least;
  phase.largest_us = *most;
  return true;
}

/// Computes the total from the mean, which is all that the dict has. Rounds up, so that the total is not below the real
/// one.
bool set_total(PyObject* dict, std::string_view name, Durations& phase) {
  const Object mean = item(dict, name, "");
  if (!mean) return false;
  if (mean.is_none()) return true;
  const double seconds = PyFloat_AsDouble(mean.ptr());
  if (seconds == -1.0 && PyErr_Occurred() != nullptr) return false;
  double count = 0.0;
  for (const std::uint64_t bucket : phase.buckets) count += static_cast<double>(bucket);
  const double total_us = std::ceil(seconds * count * 1e6 * (1.0 + 1e-15));
  phase.total_us = total_us >= 0.0 && total_us < 1.8e19 ? static_cast<std::uint64_t>(total_us) : UINT64_MAX;
  return true;
}

std::optional<wsgi::Phase> phase_named(std::string_view name) {
  for (std::size_t i = 0; i < wsgi::kPhases; ++i) {
    const std::string_view full = wsgi::kPhaseNames[i];
    if (name == full || name == full.substr(0, full.size() - std::string_view("_time").size())) {
      return static_cast<wsgi::Phase>(i);
    }
  }
  return std::nullopt;
}

}  // namespace

PyObject* quantile_of(PyObject*, PyObject* args, PyObject* kwargs) {
  static const char* const keywords[] = {"window", "phase", "q", nullptr};
  PyObject* dict = nullptr;
  const char* name = nullptr;
  double q = 0.0;
  if (PyArg_ParseTupleAndKeywords(args, kwargs, "O!sd:quantile", const_cast<char**>(keywords), &PyDict_Type, &dict,
                                  &name, &q) == 0) {
    return nullptr;
  }
  const std::optional<wsgi::Phase> phase = phase_named(name);
  if (!phase) {
    PyErr_Format(PyExc_ValueError, "there is no phase named '%s'", name);
    return nullptr;
  }
  if (!(q >= 0.0 && q <= 1.0)) {
    PyErr_SetString(PyExc_ValueError, "q must be from 0 to 1");
    return nullptr;
  }
  const std::string_view key = wsgi::kPhaseNames[index(*phase)];
  Durations read;
  if (!set_buckets(dict, key, read) || !set_extremes(dict, key, read) || !set_total(dict, key, read)) return nullptr;
  const std::optional<QuantileBounds> bounds = quantile(read.view(*phase), q, kEntries);
  if (!bounds) Py_RETURN_NONE;
  return Py_BuildValue("(KK)", static_cast<unsigned long long>(bounds->lower),
                       static_cast<unsigned long long>(bounds->upper));
}

}  // namespace sluice::bindings
