// SPDX-License-Identifier: Apache-2.0
#include "bindings/metrics_reader.hpp"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "bindings/critical_section.hpp"
#include "bindings/docstrings.hpp"
#include "bindings/gil.hpp"

namespace sluice::bindings {
namespace {

/// The memory that CPython allocates for an instance. It is zeroed. The consumer is null during construction and after
/// close().
struct Instance {
  PyObject ob_base;
  PyObject* module;
  PyObject* name;
  Host* host;
  const DictSchema* dict;
  MetricsSession::Consumer* consumer;
  Py_ssize_t reading;  ///< Number of threads inside read(). The last one frees the consumer of a closed reader.
  bool closed;
  /// Guards consumer, reading and closed where Python has no GIL.
  [[no_unique_address]] SectionMutex mutex;
};

Instance& of(PyObject* self) { return *reinterpret_cast<Instance*>(self); }

/// Frees the consumer without the GIL, because it may have to wait for a drain.
void free_consumer(Instance& reader) {
  MetricsSession::Consumer* const consumer = std::exchange(reader.consumer, nullptr);
  if (consumer == nullptr) return;
  const WithoutGil released;
  delete consumer;
}

/// Returns the dict of the next window, None where there is none, or null with an exception set.
PyObject* next_window(const Instance& reader) {
  std::shared_ptr<WindowReader> windows;
  if (!without_gil([&] { windows = reader.consumer->reader(); })) return nullptr;
  if (!windows || reader.host->external_reporter()) Py_RETURN_NONE;
  return window_dict(*reader.dict, *windows);
}

PyObject* read(PyObject* self, PyObject*) {
  Instance& reader = of(self);
  const CriticalSection section(reader.mutex);
  // The garbage collector clears the module, which owns `dict`, before it frees the reader.
  if (reader.closed || reader.module == nullptr) {
    PyErr_SetString(PyExc_ValueError, "the metrics reader is closed");
    return nullptr;
  }
  ++reader.reading;
  PyObject* const result = next_window(reader);
  if (--reader.reading == 0 && reader.closed) free_consumer(reader);
  return result;
}

PyObject* close(PyObject* self, PyObject*) {
  Instance& reader = of(self);
  const CriticalSection section(reader.mutex);
  reader.closed = true;
  if (reader.reading == 0) free_consumer(reader);
  Py_RETURN_NONE;
}

bool is_closed(Instance& reader) {
  const CriticalSection section(reader.mutex);
  return reader.closed;
}

PyObject* enter(PyObject* self, PyObject*) {
  if (is_closed(of(self))) {
    PyErr_SetString(PyExc_ValueError, "the metrics reader is closed");
    return nullptr;
  }
  return borrow(self).release().ptr();
}

PyObject* leave(PyObject* self, PyObject*) { return close(self, nullptr); }

PyObject* get_name(PyObject* self, void*) { return borrow(of(self).name).release().ptr(); }
PyObject* get_closed(PyObject* self, void*) { return PyBool_FromLong(is_closed(of(self)) ? 1 : 0); }

PyObject* repr(PyObject* self) {
  Instance& reader = of(self);
  return PyUnicode_FromFormat("<mod_wsgi.MetricsReader name=%R%s>", reader.name, is_closed(reader) ? " closed" : "");
}

int traverse(PyObject* self, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(of(self).module);
  Py_VISIT(of(self).name);
  return 0;
}

int clear(PyObject* self) {
  Py_CLEAR(of(self).module);
  return 0;
}

void deallocate(PyObject* self) {
  PyTypeObject* const type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  free_consumer(of(self));
  Py_CLEAR(of(self).module);
  Py_CLEAR(of(self).name);
  type->tp_free(self);
  Py_DECREF(type);
}

}  // namespace

PyObject* window_dict(const DictSchema& dict, WindowReader& windows) {
  std::unique_ptr<Window> window;
  Status status;
  const bool drained = without_gil([&] {
    window = windows.take_window();
    status = windows.reader().drain(*window);
  });
  if (!drained) return nullptr;
  if (!status.ok()) {
    PyErr_SetString(PyExc_RuntimeError, std::string(status.message()).c_str());
    return nullptr;
  }
  PyObject* const result = dict.build({.pid = ::getpid(), .window = window.get()}).release().ptr();
  if (result == nullptr) {  // out of memory: the next window has the requests of this one
    const WithoutGil released;
    windows.reader().give_back(*window);
  }
  windows.keep(std::move(window));
  return result;
}

Object make_metrics_reader_type() {
  static PyMethodDef methods[] = {
      {"read", read, METH_NOARGS, docstrings().reader_read},
      {"close", close, METH_NOARGS, docstrings().reader_close},
      {"__enter__", enter, METH_NOARGS, "Return the reader."},
      {"__exit__", leave, METH_VARARGS, "Close the reader."},
      {nullptr, nullptr, 0, nullptr},
  };
  static PyGetSetDef attributes[] = {
      {"name", get_name, nullptr, "The name given to metrics_reader(), or None.", nullptr},
      {"closed", get_closed, nullptr, "Whether the reader has been closed.", nullptr},
      {nullptr, nullptr, nullptr, nullptr, nullptr},
  };
  PyType_Slot slots[] = {
      {Py_tp_doc, const_cast<char*>(docstrings().metrics_reader_type)},
      {Py_tp_dealloc, reinterpret_cast<void*>(deallocate)},
      {Py_tp_traverse, reinterpret_cast<void*>(traverse)},
      {Py_tp_clear, reinterpret_cast<void*>(clear)},
      {Py_tp_repr, reinterpret_cast<void*>(repr)},
      {Py_tp_methods, methods},
      {Py_tp_getset, attributes},
      {0, nullptr},
  };
  PyType_Spec spec = {"mod_wsgi.MetricsReader", sizeof(Instance), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  return steal(PyType_FromSpec(&spec));
}

PyObject* make_metrics_reader(PyObject* type, PyObject* module, Host& host, const DictSchema& dict, PyObject* name) {
  if (name != Py_None && PyUnicode_Check(name) == 0) {
    PyErr_Format(PyExc_TypeError, "name must be a str or None, not %.100s", Py_TYPE(name)->tp_name);
    return nullptr;
  }
  Object self = steal(reinterpret_cast<PyTypeObject*>(type)->tp_alloc(reinterpret_cast<PyTypeObject*>(type), 0));
  if (!self) return nullptr;
  Instance& reader = of(self.ptr());
  reader.module = borrow(module).release().ptr();
  reader.name = borrow(name).release().ptr();
  reader.host = &host;
  reader.dict = &dict;
  MetricsSession::Consumer* consumer = nullptr;
  if (!without_gil([&] { consumer = new MetricsSession::Consumer(host.session()); })) return nullptr;
  reader.consumer = consumer;
  return self.release().ptr();
}

}  // namespace sluice::bindings
