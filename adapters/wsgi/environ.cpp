#include "adapters/wsgi/environ.hpp"

#include "bindings/module.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

/// Strings of the request are bytes in disguise, as PEP 3333 wants; paths of files are as Python decodes file names.
Object decoded(std::string_view key, std::string_view value) {
  const auto size = static_cast<Py_ssize_t>(value.size());
  if (key == "DOCUMENT_ROOT" || key == "SCRIPT_FILENAME")
    return steal(PyUnicode_DecodeFSDefaultAndSize(value.data(), size));
  return steal(PyUnicode_DecodeLatin1(value.data(), size, nullptr));
}

class EnvironMaker {
 public:
  EnvironMaker() : dict_(steal(PyDict_New())) {}

  void add_text(std::string_view key, std::string_view value) {
    if (!dict_) return;
    const Object name = steal(PyUnicode_DecodeLatin1(key.data(), static_cast<Py_ssize_t>(key.size()), nullptr));
    const Object text = decoded(key, value);
    if (!name || !text || PyDict_SetItem(dict_.ptr(), name.ptr(), text.ptr()) < 0) dict_ = {};
  }

  void add(const char* key, PyObject* value) {
    if (!dict_) return;
    if (value == nullptr || PyDict_SetItemString(dict_.ptr(), key, value) < 0) dict_ = {};
  }

  void remove(const char* key) {
    if (dict_ && PyDict_DelItemString(dict_.ptr(), key) < 0) PyErr_Clear();
  }

  [[nodiscard]] Object take() { return std::move(dict_); }

 private:
  Object dict_;  ///< Null after an error, with the exception set.
};

PyObject* boolean(bool value) { return value ? Py_True : Py_False; }

Object triple(const int (&parts)[3]) { return steal(Py_BuildValue("(iii)", parts[0], parts[1], parts[2])); }

}  // namespace

Object make_environ(const Exchange& exchange, const Furniture& furniture, const ServerFacts& facts, PyObject* input,
                    std::size_t thread_id) {
  EnvironMaker environ;
  exchange.each_variable([&](std::string_view key, std::string_view value) { environ.add_text(key, value); });
  environ.remove("PATH");   // the server's, of no meaning to an application
  environ.remove("HTTPS");  // wsgi.url_scheme says it
  environ.add("wsgi.version", furniture.version.ptr());
  environ.add("wsgi.url_scheme", steal(PyUnicode_FromString(exchange.https() ? "https" : "http")).ptr());
  environ.add("wsgi.input", input);
  environ.add("wsgi.input_terminated", Py_True);
  environ.add("wsgi.errors", furniture.request_errors.ptr());
  environ.add("wsgi.file_wrapper", furniture.file_wrapper_type.ptr());
  environ.add("wsgi.multithread", boolean(facts.multithread));
  environ.add("wsgi.multiprocess", boolean(facts.multiprocess));
  environ.add("wsgi.run_once", Py_False);
  environ.add("mod_wsgi.version", triple(bindings::kInterfaceVersion).ptr());
  environ.add("mod_wsgi.thread_id", steal(PyLong_FromSize_t(thread_id)).ptr());
  environ.add("apache.version", triple(facts.server_version).ptr());
  return environ.take();
}

}  // namespace sluice::wsgi
