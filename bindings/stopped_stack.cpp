// SPDX-License-Identifier: Apache-2.0
#include "bindings/stopped_stack.hpp"

#ifdef Py_GIL_DISABLED

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "bindings/object.hpp"

namespace sluice::bindings {
namespace {

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

}  // namespace

std::vector<std::string> stopped_stack_of(unsigned long thread) {
  const std::string text = all_stacks();
  const std::string header = absl::StrCat("Thread 0x", absl::Hex(thread, absl::kZeroPad16), " ");
  std::vector<std::string> lines;
  bool inside = false;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (inside && line.substr(0, 2) != "  ") break;
    if (inside && line != "  <no Python frame>") lines.emplace_back(line);
    inside = inside || line.substr(0, header.size()) == header;
  }
  std::reverse(lines.begin(), lines.end());
  return lines;
}

}  // namespace sluice::bindings

#endif
