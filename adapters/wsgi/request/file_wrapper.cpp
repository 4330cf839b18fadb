#include "adapters/wsgi/request/file_wrapper.hpp"

#include <sys/stat.h>

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

// A class in Python: it is made once an interpreter, and none of its methods runs for a file that the server sends
// itself.
constexpr const char* kSource = R"python(
class FileWrapper:
    """A file as the response of an application, read in blocks of blksize bytes."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize

    def __iter__(self):
        return self

    def __next__(self):
        block = self.filelike.read(self.blksize)
        if not block:
            raise StopIteration
        return block

    def close(self):
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()
)python";

/// Where the file stands, in the view of the Python object, which may have read ahead of the descriptor.
std::optional<std::uint64_t> position(PyObject* file) {
  const Object place = steal(PyObject_CallMethod(file, "tell", nullptr));
  if (!place || PyLong_Check(place.ptr()) == 0) return std::nullopt;
  const long long offset = PyLong_AsLongLong(place.ptr());
  return offset >= 0 ? std::optional(static_cast<std::uint64_t>(offset)) : std::nullopt;
}

/// Whether reading the object gives the bytes of its descriptor: a file of io as open() makes it. One that
/// decompresses, say, has a descriptor too.
bool plain_file(PyObject* file) {
  const Object io = steal(PyImport_ImportModule("io"));
  const Object raw_type = io ? steal(PyObject_GetAttrString(io.ptr(), "FileIO")) : Object();
  if (!raw_type) return false;
  const auto is_exactly = [](PyObject* object, const Object& type) {
    return type && reinterpret_cast<PyObject*>(Py_TYPE(object)) == type.ptr();
  };
  if (is_exactly(file, raw_type)) return true;
  for (const char* name : {"BufferedReader", "BufferedRandom"}) {
    if (!is_exactly(file, steal(PyObject_GetAttrString(io.ptr(), name)))) continue;
    const Object raw = steal(PyObject_GetAttrString(file, "raw"));
    return raw && is_exactly(raw.ptr(), raw_type);
  }
  return false;
}

std::optional<RegularFile> regular_file_or_error(PyObject* response, PyObject* file_wrapper_type) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(response)) != file_wrapper_type) return std::nullopt;
  const Object file = steal(PyObject_GetAttrString(response, "filelike"));
  if (!file || !plain_file(file.ptr())) return std::nullopt;
  const std::optional<std::uint64_t> offset = position(file.ptr());
  const int descriptor = offset ? PyObject_AsFileDescriptor(file.ptr()) : -1;
  // The descriptor is looked at last: what ran before may have closed it, and opened something else under its number.
  struct stat found {};
  if (descriptor < 0 || ::fstat(descriptor, &found) != 0 || !S_ISREG(found.st_mode)) return std::nullopt;
  if (found.st_blocks == 0) return std::nullopt;  // a file that the kernel makes up while it is read, or an empty one
  const auto size = static_cast<std::uint64_t>(found.st_size);
  return RegularFile{descriptor, *offset, size > *offset ? size - *offset : 0};
}

}  // namespace

Object make_file_wrapper_type() {
  const Object scope = steal(Py_BuildValue("{s:s}", "__name__", "mod_wsgi"));
  if (!scope || PyDict_SetItemString(scope.ptr(), "__builtins__", PyEval_GetBuiltins()) < 0) return {};
  const Object done = steal(PyRun_String(kSource, Py_file_input, scope.ptr(), scope.ptr()));
  return done ? bindings::borrow(PyDict_GetItemString(scope.ptr(), "FileWrapper")) : Object();
}

std::optional<RegularFile> regular_file(PyObject* response, PyObject* file_wrapper_type) {
  std::optional<RegularFile> file = regular_file_or_error(response, file_wrapper_type);
  PyErr_Clear();
  return file;
}

}  // namespace sluice::wsgi
