// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/names.hpp"

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"
#include "bindings/items.hpp"

namespace sluice::wsgi {

using bindings::Object;
using bindings::steal;

namespace {

constexpr std::size_t kNamesMax = 256;

/// Whether threads may use the table at the same time, so that it must not change while they do.
#ifdef Py_GIL_DISABLED
constexpr bool kParallel = true;
#else
constexpr bool kParallel = false;
#endif

constexpr std::array kServerVariables = {"CONTEXT_DOCUMENT_ROOT",
                                         "CONTEXT_PREFIX",
                                         "DOCUMENT_ROOT",
                                         "REQUEST_METHOD",
                                         "REQUEST_SCHEME",
                                         "SERVER_ADDR",
                                         "SCRIPT_FILENAME",
                                         "SERVER_ADMIN",
                                         "SERVER_NAME",
                                         "SERVER_PORT",
                                         "SERVER_PROTOCOL",
                                         "SERVER_SOFTWARE",
                                         "mod_wsgi.application_group",
                                         "mod_wsgi.callable_object",
                                         "mod_wsgi.handler_script",
                                         "mod_wsgi.listener_host",
                                         "mod_wsgi.listener_port",
                                         "mod_wsgi.process_group",
                                         "mod_wsgi.request_handler",
                                         "mod_wsgi.script_reloading",
                                         "mod_wsgi.server_pid"};

constexpr std::array kRequestVariables = {"AUTH_TYPE",
                                          "SCRIPT_NAME",
                                          "CONTENT_LENGTH",
                                          "CONTENT_TYPE",
                                          "HTTP_ACCEPT",
                                          "HTTP_ACCEPT_ENCODING",
                                          "HTTP_ACCEPT_LANGUAGE",
                                          "HTTP_AUTHORIZATION",
                                          "HTTP_CACHE_CONTROL",
                                          "HTTP_CONNECTION",
                                          "HTTP_COOKIE",
                                          "HTTP_FORWARDED",
                                          "HTTP_HOST",
                                          "HTTP_IF_MODIFIED_SINCE",
                                          "HTTP_IF_NONE_MATCH",
                                          "HTTP_ORIGIN",
                                          "HTTP_REFERER",
                                          "HTTP_USER_AGENT",
                                          "HTTP_X_FORWARDED_FOR",
                                          "HTTP_X_FORWARDED_HOST",
                                          "HTTP_X_FORWARDED_PROTO",
                                          "HTTP_X_REQUESTED_WITH",
                                          "PATH_INFO",
                                          "QUERY_STRING",
                                          "REMOTE_ADDR",
                                          "REMOTE_PORT",
                                          "REMOTE_USER",
                                          "REQUEST_URI",
                                          "UNIQUE_ID",
                                          "mod_wsgi.connection_id",
                                          "mod_wsgi.path_info",
                                          "mod_wsgi.request_id",
                                          "mod_wsgi.script_name"};

/// Names that requests look up besides variables, for a table that does not grow later.
constexpr std::array kOtherNames = {"__mtime__",
                                    "application",
                                    "http",
                                    "https",
                                    "mod_wsgi.application_start",
                                    "mod_wsgi.daemon_start",
                                    "mod_wsgi.queue_start",
                                    "mod_wsgi.request_start",
                                    "mod_wsgi.thread_id",
                                    "reload_required",
                                    "wsgi.input",
                                    "wsgi.url_scheme"};

/// Converts to absl::string_view, which is not std::string_view in every build of Abseil.
absl::string_view key_of(std::string_view text) { return {text.data(), text.size()}; }

Py_ssize_t length(std::string_view text) { return static_cast<Py_ssize_t>(text.size()); }

/// Decodes the value of a variable: as Latin-1, as PEP 3333 requires, and paths of files as Python decodes file names.
Object decoded(std::string_view key, std::string_view value) {
  if (key == "DOCUMENT_ROOT" || key == "SCRIPT_FILENAME")
    return steal(PyUnicode_DecodeFSDefaultAndSize(value.data(), length(value)));
  return steal(PyUnicode_DecodeLatin1(value.data(), length(value), nullptr));
}

Object decoded_name(std::string_view text) {
  return steal(PyUnicode_DecodeUTF8(text.data(), length(text), "surrogateescape"));
}

Object interned(std::string_view text) {
  PyObject* string = decoded_name(text).release().ptr();
  if (string != nullptr) PyUnicode_InternInPlace(&string);
  return steal(string);
}

}  // namespace

Object Names::of(std::string_view text) {
  if (const auto entry = names_.find(key_of(text)); entry != names_.end()) return entry->second.text;
  if (complete_) return decoded_name(text);
  Object string = interned(text);
  if (string && names_.size() < kNamesMax)
    names_.try_emplace(std::string(text), Name{.text = string, .last_value = {}, .last_object = {}});
  return string;
}

Object Names::in_module(PyObject* module, std::string_view name) {
  const Object key = of(name);
  const Object globals = key && PyModule_Check(module) != 0 ? bindings::borrow(PyModule_GetDict(module)) : Object();
  Object value = globals ? bindings::item_of(globals.ptr(), key.ptr()) : Object();
  if (!value) PyErr_Clear();
  return value;
}

bool Names::expect_variables() {
  for (const char* const name : kRequestVariables) {
    if (!of(name)) return false;
  }
  for (const char* const name : kServerVariables) {
    if (!of(name)) return false;
    names_.find(key_of(name))->second.values = kParallel ? Values::kVaries : Values::kRepeats;
  }
  for (const char* const name : kOtherNames) {
    if (kParallel && !of(name)) return false;
  }
  complete_ = kParallel;
  return true;
}

Object Names::cached(Name& name, std::string_view key, std::string_view value) {
  if (!name.last_object || name.last_value != value) {
    name.last_object = decoded(key, value);
    name.last_value = value;
  }
  return name.last_object;
}

bool Names::set(PyObject* environ, std::string_view key, std::string_view value) {
  const auto entry = names_.find(key_of(key));
  if (entry == names_.end()) {
    const Object name = steal(PyUnicode_DecodeLatin1(key.data(), length(key), nullptr));
    const Object text = decoded(key, value);
    return name && text && PyDict_SetItem(environ, name.ptr(), text.ptr()) == 0;
  }
  // The key and the value are owned before the dict changes: comparing keys may run code of the application, and other
  // requests may then change the table.
  const Object text_of_key = entry->second.text;
  const Object text = entry->second.values == Values::kVaries ? decoded(key, value) : cached(entry->second, key, value);
  return text && PyDict_SetItem(environ, text_of_key.ptr(), text.ptr()) == 0;
}

}  // namespace sluice::wsgi
