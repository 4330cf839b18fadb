#include "adapters/wsgi/request/environ.hpp"

#include <utility>

#include "adapters/wsgi/python/names.hpp"
#include "bindings/module.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

PyObject* boolean(bool value) { return value ? Py_True : Py_False; }

Object triple(const int (&parts)[3]) { return steal(Py_BuildValue("(iii)", parts[0], parts[1], parts[2])); }

/// A dict under construction.
class EnvironMaker {
 public:
  explicit EnvironMaker(Names& names, Object dict) : names_(names), dict_(std::move(dict)) {}

  void add_variable(std::string_view key, std::string_view value) {
    if (key == "PATH" || key == "HTTPS") return;  // the server's own, and wsgi.url_scheme says it
    if (!dict_ || (key.find('.') != std::string_view::npos && has(key))) return;  // what is ours stays so
    if (!names_.set(dict_.ptr(), key, value)) dict_ = {};
  }

  EnvironMaker& add(std::string_view key, PyObject* value) {
    if (!dict_) return *this;
    const Object name = names_.of(key);
    if (!name || value == nullptr || PyDict_SetItem(dict_.ptr(), name.ptr(), value) < 0) dict_ = {};
    return *this;
  }
  EnvironMaker& add(std::string_view key, const Object& value) { return add(key, value.ptr()); }

  [[nodiscard]] Object take() { return std::move(dict_); }

 private:
  [[nodiscard]] bool has(std::string_view key) {
    const Object name = names_.of(key);
    return name && PyDict_Contains(dict_.ptr(), name.ptr()) == 1;
  }

  Names& names_;
  Object dict_;  ///< Null after an error, with the exception set.
};

/// What is the same for all requests.
Object make_base(InterpreterObjects& objects, const ServerFacts& facts) {
  return EnvironMaker(objects.names, steal(PyDict_New()))
      .add("wsgi.version", steal(Py_BuildValue("(ii)", 1, 0)))
      .add("wsgi.input_terminated", Py_True)
      .add("wsgi.errors", objects.request_errors)
      .add("wsgi.file_wrapper", objects.file_wrapper_type)
      .add("wsgi.multithread", boolean(facts.multithread))
      .add("wsgi.multiprocess", boolean(facts.multiprocess))
      .add("wsgi.run_once", Py_False)
      .add("mod_wsgi.version", triple(bindings::kInterfaceVersion))
      .add("apache.version", triple(facts.server_version))
      .take();
}

}  // namespace

Object make_environ(const Exchange& exchange, InterpreterObjects& objects, const ServerFacts& facts, PyObject* input,
                    std::size_t thread_id) {
  if (!objects.environ) objects.environ = make_base(objects, facts);
  if (!objects.environ) return {};
  EnvironMaker environ(objects.names, steal(PyDict_Copy(objects.environ.ptr())));
  exchange.each_variable([&](std::string_view key, std::string_view value) { environ.add_variable(key, value); });
  return environ.add("wsgi.url_scheme", objects.names.of(exchange.https() ? "https" : "http"))
      .add("wsgi.input", input)
      .add("mod_wsgi.thread_id", steal(PyLong_FromSize_t(thread_id)))
      .take();
}

}  // namespace sluice::wsgi
