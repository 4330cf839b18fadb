// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/collection_hook.hpp"

#include <algorithm>

#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/items.hpp"
#include "bindings/saved_exception.hpp"
#include "sluice/clock.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;
using telemetry::CollectionCounters;
using telemetry::kGenerations;

namespace {

constexpr const char* kCapsule = "mod_wsgi.collections";

/// Returns a count, or 0 for anything that is none, because an application may have replaced the functions of `gc`.
/// Leaves no exception set.
std::uint64_t count_of(const Object& value) {
  if (!value || PyLong_Check(value.ptr()) == 0) return 0;
  const long long count = PyLong_AsLongLong(value.ptr());
  PyErr_Clear();
  return count > 0 ? static_cast<std::uint64_t>(count) : 0;
}

Object ask(const Object& gc, const char* function) {
  Object answer = steal(PyObject_CallMethod(gc.ptr(), function, nullptr));
  if (!answer) PyErr_Clear();
  return answer;
}

std::array<std::uint64_t, kGenerations> by_generation(const Object& tuple) {
  std::array<std::uint64_t, kGenerations> counts{};
  if (!tuple || PyTuple_Check(tuple.ptr()) == 0) return counts;
  const auto size = std::min(static_cast<std::size_t>(PyTuple_GET_SIZE(tuple.ptr())), kGenerations);
  for (std::size_t i = 0; i < size; ++i) counts[i] = count_of(bindings::borrow(PyTuple_GET_ITEM(tuple.ptr(), i)));
  return counts;
}

/// Returns the state of the collector without the totals.
CollectionCounters state_of(const Object& gc) {
  const Object enabled = ask(gc, "isenabled");
  return {.count = by_generation(ask(gc, "get_count")),
          .threshold = by_generation(ask(gc, "get_threshold")),
          .frozen = count_of(ask(gc, "get_freeze_count")),
          .enabled = enabled.ptr() == Py_True};
}

void add_totals(const Object& gc, CollectionCounters& counters) {
  const Object stats = ask(gc, "get_stats");
  if (!stats || PyList_Check(stats.ptr()) == 0) return;
  const auto size = std::min(static_cast<std::size_t>(PyList_GET_SIZE(stats.ptr())), kGenerations);
  for (std::size_t i = 0; i < size; ++i) {
    const Object generation = bindings::item_at(stats.ptr(), static_cast<Py_ssize_t>(i));
    if (!generation || PyDict_Check(generation.ptr()) == 0) continue;
    counters.runs[i] = count_of(bindings::item_of(generation.ptr(), "collections"));
    counters.collected[i] = count_of(bindings::item_of(generation.ptr(), "collected"));
    counters.uncollectable[i] = count_of(bindings::item_of(generation.ptr(), "uncollectable"));
  }
}

}  // namespace

bool CollectionHook::install(telemetry::CollectionLog& log) {
  static PyMethodDef method = {"report_collection", on_collection, METH_VARARGS, nullptr};
  const Object capsule = steal(PyCapsule_New(this, kCapsule, nullptr));
  gc_ = steal(PyImport_ImportModule("gc"));
  if (!capsule || !gc_) return false;
  CollectionCounters counters = state_of(gc_);
  add_totals(gc_, counters);
  log.begin_with(counters);
  log_ = &log;
  const Object callback = steal(PyCFunction_New(&method, capsule.ptr()));
  const Object callbacks = steal(PyObject_GetAttrString(gc_.ptr(), "callbacks"));
  return callback && callbacks && PyList_Check(callbacks.ptr()) && PyList_Append(callbacks.ptr(), callback.ptr()) == 0;
}

void CollectionHook::clear() noexcept {
  log_ = nullptr;
  gc_ = {};
}

/// The entry of gc.callbacks. Python ignores its result and reports its exceptions, so it raises none. The collector
/// calls it twice in a row on one thread, and no collection of the same interpreter runs in between.
PyObject* CollectionHook::on_collection(PyObject* capsule, PyObject* args) {
  auto* const self = static_cast<CollectionHook*>(PyCapsule_GetPointer(capsule, kCapsule));
  PyObject* phase = nullptr;
  PyObject* info = nullptr;
  const bool valid = self != nullptr && PyArg_ParseTuple(args, "UO!", &phase, &PyDict_Type, &info) != 0;
  if (!valid) PyErr_Clear();
  // A forked copy has no reporter, and the log may have been locked when it was forked.
  if (!valid || self->log_ == nullptr || ForkedCopy::is_this()) Py_RETURN_NONE;
  if (PyUnicode_CompareWithASCIIString(phase, "start") == 0) {
    self->start_ns_ = monotonic_ns();
    self->start_ = static_cast<double>(system_clock().wall_ns()) / 1e9;
  } else if (self->start_ns_ != 0) {
    self->collected(info);
    self->start_ns_ = 0;
  }
  Py_RETURN_NONE;
}

void CollectionHook::collected(PyObject* info) {
  log_->add({.start = start_,
             .duration_ns = monotonic_ns() - start_ns_,
             .generation = count_of(bindings::item_of(info, "generation")),
             .collected = count_of(bindings::item_of(info, "collected")),
             .uncollectable = count_of(bindings::item_of(info, "uncollectable"))});
  refresh();
}

void CollectionHook::update() {
  const bindings::SavedException saved;
  log_->update(state_of(gc_));
}

}  // namespace sluice::wsgi
