// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/process/log_stream.hpp"

#include <new>
#include <utility>

#include "adapters/wsgi/process/thread.hpp"
#include "bindings/critical_section.hpp"
#include "bindings/type.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr const char* kNames[kStreams] = {"<stdout>", "<stderr>", "<wsgi.errors>"};

struct LogObject {
  PyObject_HEAD const bindings::Host* host;
  LineBuffer* own;  ///< Used by the threads of the application.
  Stream stream;
  /// Guards `own`, as the GIL does where there is one.
  [[no_unique_address]] bindings::SectionMutex mutex;
};

LogObject* cast(PyObject* self) { return reinterpret_cast<LogObject*>(self); }

void log_dealloc(PyObject* self) {
  delete cast(self)->own;
  bindings::free_instance(self);
}

void emit_to(const LogObject& log, const ThreadContext* thread, std::string_view line) {
  if (thread != nullptr && thread->exchange() != nullptr) {
    thread->exchange()->log(LogLevel::kError, line);
  } else {
    log.host->log(LogLevel::kError, line);
  }
}

/// Calls `use(buffer, emit)` with the line buffer of the calling thread.
template <class Use>
void with_buffer(PyObject* self, Use&& use) {
  LogObject& log = *cast(self);
  ThreadContext* const thread = ThreadContext::current();
  const bindings::CriticalSection section(thread != nullptr ? nullptr : &log.mutex);
  LineBuffer& buffer = thread != nullptr ? thread->lines(log.stream) : *log.own;
  use(buffer, [&](std::string_view line) { emit_to(log, thread, line); });
}

PyObject* log_write(PyObject* self, PyObject* data) {
  Py_buffer bytes;
  if (PyObject_GetBuffer(data, &bytes, PyBUF_SIMPLE) < 0) return nullptr;
  const std::string_view text(static_cast<const char*>(bytes.buf), static_cast<std::size_t>(bytes.len));
  bool enough_memory = true;
  try {
    with_buffer(self, [&](LineBuffer& buffer, auto&& emit) { buffer.append(text, emit); });
  } catch (const std::bad_alloc&) {
    enough_memory = false;  // no exception of C++ may pass through Python's frames
  }
  const Py_ssize_t size = bytes.len;
  PyBuffer_Release(&bytes);
  return enough_memory ? PyLong_FromSsize_t(size) : PyErr_NoMemory();
}

PyObject* log_writelines(PyObject* self, PyObject* lines) {
  const Object iterator = steal(PyObject_GetIter(lines));
  if (!iterator) return nullptr;
  while (const Object line = steal(PyIter_Next(iterator.ptr()))) {
    if (!steal(log_write(self, line.ptr()))) return nullptr;
  }
  if (PyErr_Occurred() != nullptr) return nullptr;
  Py_RETURN_NONE;
}

PyObject* log_flush(PyObject* self, PyObject*) {
  with_buffer(self, [](LineBuffer& buffer, auto&& emit) { buffer.flush(emit); });
  Py_RETURN_NONE;
}

/// Raises what `io` promises of a stream that has no descriptor, no position and nothing to read.
PyObject* log_unsupported(PyObject*, PyObject*) {
  const Object io = steal(PyImport_ImportModule("io"));
  const Object type = io ? steal(PyObject_GetAttrString(io.ptr(), "UnsupportedOperation")) : Object();
  if (type) PyErr_SetString(type.ptr(), "the error log of the server supports only writing");
  return nullptr;
}

PyObject* log_close(PyObject*, PyObject*) { Py_RETURN_NONE; }
PyObject* log_no(PyObject*, PyObject*) { Py_RETURN_FALSE; }
PyObject* log_yes(PyObject*, PyObject*) { Py_RETURN_TRUE; }
PyObject* log_closed(PyObject*, void*) { Py_RETURN_FALSE; }
PyObject* log_name(PyObject* self, void*) {
  return PyUnicode_FromString(kNames[static_cast<std::size_t>(cast(self)->stream)]);
}

PyMethodDef methods[] = {
    {"write", log_write, METH_O, "write(data, /)\n--\n\nWrite bytes. Complete lines go to the error log."},
    {"writelines", log_writelines, METH_O, "writelines(lines, /)\n--\n\nWrite each item of lines."},
    {"flush", log_flush, METH_NOARGS, "flush()\n--\n\nWrite an incomplete line to the error log."},
    {"close", log_close, METH_NOARGS, "close()\n--\n\nDo nothing, because the log belongs to the server."},
    {"fileno", log_unsupported, METH_NOARGS, "fileno()\n--\n\nRaise io.UnsupportedOperation."},
    {"read", log_unsupported, METH_VARARGS, nullptr},
    {"readinto", log_unsupported, METH_VARARGS, nullptr},
    {"readline", log_unsupported, METH_VARARGS, nullptr},
    {"seek", log_unsupported, METH_VARARGS, nullptr},
    {"tell", log_unsupported, METH_VARARGS, nullptr},
    {"truncate", log_unsupported, METH_VARARGS, nullptr},
    {"isatty", log_no, METH_NOARGS, nullptr},
    {"readable", log_no, METH_NOARGS, nullptr},
    {"seekable", log_no, METH_NOARGS, nullptr},
    {"writable", log_yes, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyGetSetDef attributes[] = {
    {"closed", log_closed, nullptr, nullptr, nullptr},
    {"name", log_name, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

}  // namespace

Object make_log_type() {
  // make_type() would not free the line buffer.
  PyType_Slot slots[] = {{Py_tp_doc, const_cast<char*>("Binary stream to the error log of the server.")},
                         {Py_tp_dealloc, reinterpret_cast<void*>(log_dealloc)},
                         {Py_tp_methods, methods},
                         {Py_tp_getset, attributes},
                         {0, nullptr}};
  PyType_Spec spec = {"mod_wsgi.Log", sizeof(LogObject), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                      slots};
  return steal(PyType_FromSpec(&spec));
}

Object make_log_stream(PyObject* type, Stream stream, const bindings::Host& host) {
  Object log = bindings::make_instance(type);
  const Object io = steal(PyImport_ImportModule("io"));
  if (!log || !io) return {};
  cast(log.ptr())->host = &host;
  cast(log.ptr())->own = new LineBuffer;
  cast(log.ptr())->stream = stream;
  // write_through passes text on at once. Line buffering would flush after each line, although mod_wsgi.Log finds the
  // lines itself.
  return steal(PyObject_CallMethod(io.ptr(), "TextIOWrapper", "OssOOO", log.ptr(), "utf-8", "backslashreplace", Py_None,
                                   Py_False, Py_True));
}

}  // namespace sluice::wsgi
