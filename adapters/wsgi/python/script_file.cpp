// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/script_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <new>

#include "absl/strings/str_cat.h"
#include "bindings/gil.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr std::size_t kSourceMax = 64 * 1024 * 1024;
constexpr std::size_t kPiece = 64 * 1024;

/// Non-blocking, so that a FIFO in place of the script cannot block the thread.
constexpr int kOpenFlags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

/// The source text of a script, or the reason why there is none.
struct Source {
  std::string text;
  std::string forbidden;
  int error = 0;  ///< An errno; 0 for success.
  std::int64_t mtime_us = 0;
};

std::int64_t modified_us_of(const struct stat& file) noexcept {
  return std::int64_t{file.st_mtim.tv_sec} * 1'000'000 + file.st_mtim.tv_nsec / 1000;
}

int read_all(int descriptor, std::string& text) {
  while (true) {
    const std::size_t size = text.size();
    if (size > kSourceMax) return EFBIG;
    text.resize(size + kPiece);
    const ssize_t more = ::read(descriptor, text.data() + size, kPiece);
    const int error = errno;
    text.resize(size + static_cast<std::size_t>(more > 0 ? more : 0));
    if (more == 0) return 0;
    if (more < 0 && error != EINTR) return error;
  }
}

/// A descriptor that is closed at the end of its scope; -1 for none.
class Descriptor {
 public:
  explicit Descriptor(int number) noexcept : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int number_;
};

/// Opens the file through its directory, because a directory that is looked at by its path could be another one.
Source read_source(const std::string& path, const ScriptOwnerRule& rule) {
  Source source;
  const Descriptor directory(::open(directory_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string name = path.substr(path.rfind('/') + 1);
  const Descriptor script(directory.number() < 0 ? -1 : ::openat(directory.number(), name.c_str(), kOpenFlags));
  struct stat around {};
  struct stat file {};
  if (script.number() < 0 || ::fstat(script.number(), &file) != 0 || ::fstat(directory.number(), &around) != 0) {
    source.error = errno;
  } else if (!S_ISREG(file.st_mode)) {
    source.forbidden = "it is not a regular file";
  } else if (source.forbidden = rule.why_forbidden(file, around); source.forbidden.empty()) {
    source.mtime_us = modified_us_of(file);  // taken before reading, so that a later change is noticed
    try {
      source.error = read_all(script.number(), source.text);
    } catch (const std::bad_alloc&) {
      source.error = ENOMEM;
    }
  }
  return source;
}

/// Compiles source text like the built-in compile(), including its audit event, even when an application has replaced
/// that function.
Object compiled(const std::string& source, PyObject* path) {
  if (source.find('\0') != std::string::npos) {
    PyErr_SetString(PyExc_SyntaxError, "source code string cannot contain null bytes");
    return {};
  }
  PyCompilerFlags flags{};
  flags.cf_feature_version = PY_MINOR_VERSION;
  Object code = steal(Py_CompileStringObject(source.c_str(), path, Py_file_input, &flags, -1));
  if (!code || PyCode_Check(code.ptr()) != 0) return code;
  PyErr_SetString(PyExc_TypeError, "the compiler gave no code object");
  return {};
}

}  // namespace

std::int64_t modified_us(const std::string& path) noexcept {
  struct stat file {};
  return ::stat(path.c_str(), &file) == 0 ? modified_us_of(file) : 0;
}

Object file_name(const std::string& path) {
  return steal(PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size())));
}

ScriptCode compile_script(const std::string& path, const ScriptOwnerRule& rule) {
  const Object name = file_name(path);
  if (!name || PySys_Audit("open", "Osi", name.ptr(), "rb", kOpenFlags) < 0) return {};
  Source source;
  if (!bindings::without_gil([&] { source = read_source(path, rule); })) return {};
  if (!source.forbidden.empty())
    return {.code = {}, .forbidden = std::move(source.forbidden), .mtime_us = source.mtime_us};
  if (source.error != 0) {
    errno = source.error;
    PyErr_SetFromErrnoWithFilenameObject(PyExc_OSError, name.ptr());
    return {};
  }
  return {.code = compiled(source.text, name.ptr()), .forbidden = {}, .mtime_us = source.mtime_us};
}

}  // namespace sluice::wsgi
