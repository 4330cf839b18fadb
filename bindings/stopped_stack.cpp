// SPDX-License-Identifier: Apache-2.0
#include "bindings/stopped_stack.hpp"

#ifdef Py_GIL_DISABLED

#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace sluice::bindings {
namespace {

constexpr absl::string_view kFile = "  File \"";

/// Writes the stacks of all threads of the interpreter to a file and returns its content. The frame objects of a thread
/// that runs must not be read, and `faulthandler` is the one part of Python that reads stacks while all threads are
/// stopped.
std::string all_stacks() {
  const int file = ::memfd_create("stacks", MFD_CLOEXEC);
  if (file < 0) return {};
  const Object faults = steal(PyImport_ImportModule("faulthandler"));
  if (faults) static_cast<void>(steal(PyObject_CallMethod(faults.ptr(), "dump_traceback", "i", file)));
  PyErr_Clear();
  std::string text;
  const off_t size = ::lseek(file, 0, SEEK_END);
  if (size > 0) text.resize(static_cast<std::size_t>(size));
  const ssize_t read = ::pread(file, text.data(), text.size(), 0);
  text.resize(static_cast<std::size_t>(read > 0 ? read : 0));
  ::close(file);
  return text;
}

/// Returns the lines about one thread among all stacks: the most recent call first, each as `File "PATH", line N in
/// NAME`.
std::vector<std::string> lines_of(unsigned long thread, const std::string& stacks) {
  const std::string header = absl::StrCat("Thread 0x", absl::Hex(thread, absl::kZeroPad16), " ");
  std::vector<std::string> lines;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(stacks, '\n')) {
    const bool is_frame = line.substr(0, kFile.size()) == kFile;
    if (inside && is_frame) lines.emplace_back(line);
    if (is_frame) continue;
    // A thread may have several states in an interpreter, of which one executes code.
    if (!lines.empty()) break;
    inside = line.substr(0, header.size()) == header;
  }
  return lines;
}

/// Returns the tuple for traceback.format_list() that a line tells, or null with an exception set.
Object entry_of(const std::string& line) {
  const std::size_t number = line.rfind("\", line ");
  const std::size_t name = line.rfind(" in ");
  int row = 0;
  if (number == std::string::npos || name == std::string::npos || name < number ||
      !absl::SimpleAtoi(line.substr(number + 8, name - number - 8), &row)) {
    PyErr_SetString(PyExc_ValueError, "faulthandler has written a line of another form");
    return {};
  }
  return steal(Py_BuildValue("(sisO)", line.substr(kFile.size(), number - kFile.size()).c_str(), row,
                             line.substr(name + 4).c_str(), Py_None));
}

}  // namespace

Object stopped_stack_of(unsigned long thread) {
  const std::vector<std::string> lines = lines_of(thread, all_stacks());
  if (lines.empty()) return {};
  const Object entries = steal(PyList_New(0));
  for (auto line = lines.rbegin(); entries && line != lines.rend(); ++line) {
    const Object entry = entry_of(*line);
    if (!entry || PyList_Append(entries.ptr(), entry.ptr()) < 0) return {};
  }
  const Object module = entries ? steal(PyImport_ImportModule("traceback")) : Object();
  return module ? steal(PyObject_CallMethod(module.ptr(), "format_list", "O", entries.ptr())) : Object();
}

}  // namespace sluice::bindings

#endif
