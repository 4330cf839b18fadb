// SPDX-License-Identifier: Apache-2.0
#include "bindings/traceback.hpp"

#include <Python.h>

#include <string_view>

#include "bindings/gil.hpp"
#include "bindings/items.hpp"
#include "bindings/object.hpp"
#include "bindings/saved_exception.hpp"
#include "bindings/stopped_stack.hpp"

namespace sluice::bindings {
namespace {

// An application may have replaced the functions of the module `traceback`, and another thread may change a list that
// one of them has returned. Therefore every type is checked and every item is owned while it is read.

void append_lines(PyObject* text, std::vector<std::string>& lines) {
  // Lone surrogates are escaped, because UTF-8 cannot encode them.
  const Object bytes = steal(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  if (!bytes || PyBytes_Check(bytes.ptr()) == 0) return PyErr_Clear();
  std::string_view rest(PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    lines.emplace_back(rest.substr(0, end));
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
}

/// Appends the lines of a list of strings. Returns false when `parts` is no list.
bool append_all(const Object& parts, std::vector<std::string>& lines) {
  if (!parts || PyList_Check(parts.ptr()) == 0) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(parts.ptr()); ++i) {
    const Object part = item_at(parts.ptr(), i);
    if (part) append_lines(part.ptr(), lines);
  }
  return true;
}

Object formatted(PyObject* type, PyObject* value, PyObject* traceback) {
  const Object module = steal(PyImport_ImportModule("traceback"));
  if (!module) return {};
  const Object format = steal(PyObject_GetAttrString(module.ptr(), "format_exception"));
  if (!format) return {};
  return steal(PyObject_CallFunctionObjArgs(format.ptr(), type, value != nullptr ? value : Py_None,
                                            traceback != nullptr ? traceback : Py_None, nullptr));
}

/// Returns what str() makes of an object, or of one of its attributes if `name` is not null.
std::string text_of(PyObject* object, const char* name) {
  const Object value = name != nullptr ? steal(PyObject_GetAttrString(object, name)) : borrow(object);
  const Object text = value ? steal(PyObject_Str(value.ptr())) : Object();
  std::vector<std::string> lines;
  if (text) append_lines(text.ptr(), lines);
  PyErr_Clear();
  return lines.empty() ? "?" : lines.front();
}

/// Appends the traceback and the exception without the help of the module `traceback`, which has to be imported first:
/// without free descriptors or memory it cannot be. Lines of the source are left out, because files would have to be
/// opened for them.
void append_plain(const SavedException& exception, std::vector<std::string>& lines) {
  lines.emplace_back("Traceback (most recent call last), without the lines of the source:");
  Object entry = exception.traceback();
  while (entry && PyTraceBack_Check(entry.ptr())) {
    const Object frame = steal(PyObject_GetAttrString(entry.ptr(), "tb_frame"));
    const Object code = frame ? steal(PyObject_GetAttrString(frame.ptr(), "f_code")) : Object();
    if (!code) break;
    lines.push_back("  File \"" + text_of(code.ptr(), "co_filename") + "\", line " + text_of(entry.ptr(), "tb_lineno") +
                    ", in " + text_of(code.ptr(), "co_name"));
    entry = steal(PyObject_GetAttrString(entry.ptr(), "tb_next"));
  }
  PyErr_Clear();
  const std::string name = text_of(exception.type().ptr(), "__qualname__");
  lines.push_back(exception.value() ? name + ": " + text_of(exception.value().ptr(), nullptr) : name);
}

/// Returns the frame that a thread executes in the current interpreter, or null. The GIL keeps the threads from running
/// meanwhile, and from coming and going; without a GIL, returns the frame of the calling thread only.
/// sys._current_frames() is not used, because it reads the threads of all interpreters, and those with another GIL run
/// at the same time.
Object frame_of(unsigned long thread) {
  if (thread == PyThread_get_thread_ident()) return borrow(reinterpret_cast<PyObject*>(PyEval_GetFrame()));
  PyThreadState* state = PyInterpreterState_ThreadHead(PyInterpreterState_Get());
  for (; state != nullptr; state = PyThreadState_Next(state)) {
    if (state->thread_id != thread) continue;
    Object frame = steal(reinterpret_cast<PyObject*>(PyThreadState_GetFrame(state)));
    if (frame) return frame;
  }
  return {};
}

/// Returns the stack of a thread in the current interpreter as a list of texts, or null.
Object formatted_stack(unsigned long thread) {
#ifdef Py_GIL_DISABLED
  if (!has_gil() && thread != PyThread_get_thread_ident()) return stopped_stack_of(thread);
#endif
  const Object frame = frame_of(thread);
  const Object module = frame ? steal(PyImport_ImportModule("traceback")) : Object();
  return module ? steal(PyObject_CallMethod(module.ptr(), "format_stack", "O", frame.ptr())) : Object();
}

}  // namespace

std::string exception_name() {
  PyObject* const type = PyErr_Occurred();
  if (type == nullptr || PyType_Check(type) == 0) return "unknown";
  const std::string_view name = reinterpret_cast<PyTypeObject*>(type)->tp_name;
  return std::string(name.substr(name.rfind('.') + 1));
}

std::vector<std::string> stack_of(unsigned long thread) {
  std::vector<std::string> lines;
  static_cast<void>(append_all(formatted_stack(thread), lines));
  PyErr_Clear();
  return lines;
}

std::vector<std::string> take_traceback() {
  std::vector<std::string> lines;
  SavedException exception;
  exception.discard();
  if (!exception.type()) return lines;
  exception.normalize();
  const Object parts = formatted(exception.type().ptr(), exception.value().ptr(), exception.traceback().ptr());
  PyErr_Clear();
  if (!append_all(parts, lines)) append_plain(exception, lines);
  return lines;
}

}  // namespace sluice::bindings
