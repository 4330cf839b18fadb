// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/called_script.hpp"

#include <string_view>

#include "adapters/apache/request/child.hpp"
#include "adapters/apache/request/deferred_signals.hpp"
#include "adapters/apache/request/exchange.hpp"
#include "adapters/apache/request/target.hpp"
#include "adapters/wsgi/process/script_call.hpp"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "bindings/traceback.hpp"

namespace sluice::apache {

using bindings::Object;
using bindings::steal;

bool CalledScript::defines(const char* function) const {
  return static_cast<bool>(objects_.names.in_module(module_, function));
}

Object CalledScript::call(const char* function, const Object& arguments) const {
  const Object callable = objects_.names.in_module(module_, function);
  if (!callable) {
    PyErr_Clear();
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                  "SLC1053: script '%s' does not define %s(); the request is refused. Define it, or remove the "
                  "directive that needs it.",
                  file_.path, function);
    return {};
  }
  Object result = arguments ? steal(PyObject_CallObject(callable.ptr(), arguments.ptr())) : Object();
  wsgi::ForkedCopy::end_if_this();
  if (!result) log_exception(function);
  return result;
}

void CalledScript::add_common(bindings::DictBuilder& environ) const {
  environ.set("wsgi.errors", objects_.request_errors);
  if (config_of(request_).pass_request != 1) return;
  environ.set("apache.request_rec", steal(PyCapsule_New(request_, nullptr, nullptr)));
}

void CalledScript::log_wrong_result(const char* function, const char* expected, PyObject* result) const {
  PyErr_Clear();
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                "SLC1055: %s() of script '%s' must return %s, not this object of type %s; the request is refused",
                function, file_.path, expected, Py_TYPE(result)->tp_name);
}

void CalledScript::log_exception(const char* function) const {
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_,
                "SLC1054: %s() of script '%s' raised %s; the request is refused. Traceback follows.", function,
                file_.path, bindings::exception_name().c_str());
  for (const std::string& line : bindings::take_traceback()) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request_, "%s", line.c_str());
  }
}

bool use_script(request_rec* request, const ScriptFile& file, absl::FunctionRef<void(const CalledScript&)> use) {
  if (file.in_htaccess && process_config().restrict_embedded != 0) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "SLC1051: script '%s' is not run, because a .htaccess file names it and WSGIRestrictEmbedded is On; "
                  "the request is refused. Name the script in the configuration of the server.",
                  file.path);
    return false;
  }
  Child* const process = child();
  if (process == nullptr || !process->runtime().running()) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "SLC1052: script '%s' is not run, because Python is not running in this process; the request is "
                  "refused. See the lines of the start of the process.",
                  file.path);
    return false;
  }
  std::optional<DeferredSignals::Scope> whole_call;
  if (!process->threaded()) whole_call.emplace(-1);
  ApacheExchange exchange(request);
  const wsgi::ScriptCall call{.application_group = group_of(request, file.application_group),
                              .path = file.path,
                              .reloads = config_of(request).script_reloading != 0};
  return wsgi::with_script(
      process->runtime(), process->thread_of(request), exchange, call,
      [&](PyObject* loaded, wsgi::InterpreterObjects& objects) { use(CalledScript(request, file, loaded, objects)); });
}

std::optional<std::string> latin1_of(PyObject* result) {
  Object bytes = bindings::borrow(result);
  if (PyUnicode_Check(result) != 0) bytes = steal(PyUnicode_AsLatin1String(result));
  if (!bytes || PyBytes_Check(bytes.ptr()) == 0) {
    PyErr_Clear();
    return std::nullopt;
  }
  std::string text(PyBytes_AS_STRING(bytes.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(bytes.ptr())));
  if (text.find('\0') != std::string::npos) return std::nullopt;
  return text;
}

}  // namespace sluice::apache
