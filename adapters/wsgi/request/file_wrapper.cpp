// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/file_wrapper.hpp"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "bindings/items.hpp"
#include "bindings/source.hpp"

namespace sluice::wsgi {

using bindings::borrow;
using bindings::Object;
using bindings::steal;

namespace {

// The class is written in Python, because it is created once for each interpreter and none of its methods runs for a
// file that the server sends itself.
constexpr const char* kSource = R"python(
class FileWrapper:
    """Iterator over a file in blocks of blksize bytes, for use as a response."""

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

/// Returns the position of the Python object, which may have read ahead of the position of its descriptor.
std::optional<std::uint64_t> offset_of(PyObject* file) {
  const Object position = steal(PyObject_CallMethod(file, "tell", nullptr));
  if (!position || PyLong_Check(position.ptr()) == 0) return std::nullopt;
  const long long offset = PyLong_AsLongLong(position.ptr());
  return offset >= 0 ? std::optional(static_cast<std::uint64_t>(offset)) : std::nullopt;
}

/// Whether the object is a file from open() whose bytes are those of its descriptor. Bytes that were written to it are
/// moved from its buffer to the descriptor.
bool plain_file(PyObject* file) {
  const Object io = steal(PyImport_ImportModule("io"));
  const auto is_exactly = [&io](PyObject* object, const char* name) {
    const Object type = io ? steal(PyObject_GetAttrString(io.ptr(), name)) : Object();
    return type && reinterpret_cast<PyObject*>(Py_TYPE(object)) == type.ptr();
  };
  if (is_exactly(file, "FileIO")) return true;
  const bool writable = is_exactly(file, "BufferedRandom");
  if (!writable && !is_exactly(file, "BufferedReader")) return false;
  const Object raw = steal(PyObject_GetAttrString(file, "raw"));
  return raw && is_exactly(raw.ptr(), "FileIO") && (!writable || steal(PyObject_CallMethod(file, "flush", nullptr)));
}

/// Whether the object is a function that the module tempfile has defined.
bool function_of_tempfile(PyObject* object) {
  if (PyFunction_Check(object) == 0) return false;
  const Object name = steal(PyUnicode_FromString("tempfile"));
  const Object module = name ? steal(PyImport_GetModule(name.ptr())) : Object();
  return module && PyModule_Check(module.ptr()) != 0 && PyFunction_GetGlobals(object) == PyModule_GetDict(module.ptr());
}

/// Returns the plain file whose read() is that of `filelike`, which is either the file itself or a proxy that hands out
/// the method of the file. Null for any other object, such as one that decompresses what it reads, and when there is an
/// exception. NamedTemporaryFile wraps the method in a function that only calls it; functions of others may change
/// what they wrap.
Object file_behind(PyObject* filelike) {
  Object read = steal(PyObject_GetAttrString(filelike, "read"));
  if (read && function_of_tempfile(read.ptr())) read = steal(PyObject_GetAttrString(read.ptr(), "__wrapped__"));
  if (!read || PyCFunction_Check(read.ptr()) == 0) return {};
  const auto* const method = reinterpret_cast<PyCFunctionObject*>(read.ptr());
  if (method->m_self == nullptr || std::string_view(method->m_ml->ml_name) != "read") return {};
  return plain_file(method->m_self) ? borrow(method->m_self) : Object();
}

/// Whether the kernel generates the content of a file while it is read, so that its size says nothing. A file without
/// blocks may also be one that has only holes, or whose content is stored in its inode.
bool generated(int descriptor, const struct stat& status) {
  if (status.st_size == 0) return true;
  if (status.st_blocks != 0) return false;
  constexpr std::array<std::uint32_t, 14> kGenerating = {
      PROC_SUPER_MAGIC, SYSFS_MAGIC,      CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
      TRACEFS_MAGIC,    SECURITYFS_MAGIC, EFIVARFS_MAGIC,     SELINUX_MAGIC,       SMACK_MAGIC,
      BPF_FS_MAGIC,     PSTOREFS_MAGIC,   BINFMTFS_MAGIC,     FUSE_SUPER_MAGIC,
  };
  struct statfs system {};
  if (::fstatfs(descriptor, &system) != 0) return true;
  return std::ranges::find(kGenerating, static_cast<std::uint32_t>(system.f_type)) != kGenerating.end();
}

std::optional<RegularFile> regular_file_or_error(PyObject* response, PyObject* file_wrapper_type) {
  if (reinterpret_cast<PyObject*>(Py_TYPE(response)) != file_wrapper_type) return std::nullopt;
  const Object filelike = steal(PyObject_GetAttrString(response, "filelike"));
  Object file = filelike ? file_behind(filelike.ptr()) : Object();
  if (!file) return std::nullopt;
  const std::optional<std::uint64_t> offset = offset_of(file.ptr());
  const int descriptor = offset ? PyObject_AsFileDescriptor(file.ptr()) : -1;
  // The descriptor is checked last, because code that ran before may have closed it and opened another file under its
  // number.
  struct stat status {};
  if (descriptor < 0 || ::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  if (generated(descriptor, status)) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(status.st_size);
  return RegularFile{std::move(file), descriptor, *offset, size > *offset ? size - *offset : 0};
}

}  // namespace

Object make_file_wrapper_type() {
  const Object scope = steal(Py_BuildValue("{s:s}", "__name__", "mod_wsgi"));
  if (!scope || !bindings::run_source(scope.ptr(), kSource)) return {};
  return bindings::item_of(scope.ptr(), "FileWrapper");
}

std::optional<RegularFile> regular_file(PyObject* response, PyObject* file_wrapper_type) {
  std::optional<RegularFile> file = regular_file_or_error(response, file_wrapper_type);
  if (PyErr_Occurred() == nullptr) return file;
  if (PyErr_ExceptionMatches(PyExc_Exception) != 0) PyErr_Clear();
  return std::nullopt;
}

}  // namespace sluice::wsgi
