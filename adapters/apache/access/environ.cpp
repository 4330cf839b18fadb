// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/access/environ.hpp"

#include <apr_lib.h>
#include <apr_optional.h>
#include <util_script.h>

#include <string>
#include <string_view>

#include "adapters/wsgi/request/head_rules.hpp"
#include "bindings/dict_builder.hpp"
#include "bindings/module.hpp"

// Functions of mod_ssl, which need not be loaded.
APR_DECLARE_OPTIONAL_FN(int, ssl_is_https, (conn_rec*));
APR_DECLARE_OPTIONAL_FN(char*, ssl_var_lookup, (apr_pool_t*, server_rec*, conn_rec*, request_rec*, char*));

namespace sluice::apache {

using bindings::DictBuilder;
using bindings::Object;
using bindings::steal;

namespace {

constexpr const char* kCapsule = "mod_wsgi.request";

/// The request that the functions of mod_ssl refer to, in memory of its own because they may outlive the request.
struct RequestHandle {
  request_rec* request;
};

RequestHandle* handle_of(PyObject* capsule) {
  return static_cast<RequestHandle*>(PyCapsule_GetPointer(capsule, kCapsule));
}

void free_handle(PyObject* capsule) { delete handle_of(capsule); }

/// Returns the request of a capsule, or null with an exception set.
request_rec* request_of(PyObject* capsule) {
  const RequestHandle* const handle = handle_of(capsule);
  if (handle != nullptr && handle->request == nullptr) PyErr_SetString(PyExc_RuntimeError, "the request is over");
  return handle != nullptr ? handle->request : nullptr;
}

PyObject* is_https(PyObject* capsule, PyObject*) {
  const request_rec* const request = request_of(capsule);
  if (request == nullptr) return nullptr;
  auto* const ask = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
  return PyLong_FromLong(ask != nullptr ? ask(request->connection) : 0);
}

PyObject* var_lookup(PyObject* capsule, PyObject* name) {
  request_rec* const request = request_of(capsule);
  if (request == nullptr) return nullptr;
  std::optional<std::string> text = latin1_of(name);
  if (!text) {
    return PyErr_Format(PyExc_TypeError, "the name of a variable must be a str of Latin-1 characters, not %.200s",
                        Py_TYPE(name)->tp_name);
  }
  auto* const ask = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
  const char* const value =
      ask != nullptr ? ask(request->pool, request->server, request->connection, request, text->data()) : nullptr;
  if (value == nullptr) Py_RETURN_NONE;
  return PyUnicode_DecodeLatin1(value, static_cast<Py_ssize_t>(std::string_view(value).size()), nullptr);
}

PyMethodDef is_https_method = {"is_https", is_https, METH_NOARGS,
                               "is_https()\n--\n\nReturn 1 when the connection of the client uses TLS, else 0."};
PyMethodDef var_lookup_method = {
    "var_lookup", var_lookup, METH_O,
    "var_lookup(name, /)\n--\n\nReturn a variable of mod_ssl as str; None when there is none."};

/// Returns the variable of a header field; empty for one that has none, as its name could be that of another field.
std::string variable_of(std::string_view field) {
  std::string name = "HTTP_";
  for (const char c : field) {
    if (apr_isalnum(c) == 0 && c != '-') return {};
    name.push_back(c == '-' ? '_' : static_cast<char>(apr_toupper(c)));
  }
  return name;
}

/// Adds variables to an environ.
class Variables {
 public:
  Variables(wsgi::Names& names, DictBuilder& dict) : names_(names), dict_(dict) {}

  void set(std::string_view key, const char* value) {
    if (value == nullptr || key.empty() || dict_.dict() == nullptr) return;
    if (!names_.set(dict_.dict(), key, value)) dict_.fail();
  }

 private:
  wsgi::Names& names_;
  DictBuilder& dict_;
};

void add_fields(const request_rec* request, Variables& variables) {
  const apr_array_header_t* const fields = apr_table_elts(request->headers_in);
  for (int i = 0; i < fields->nelts; ++i) {
    const auto& field = reinterpret_cast<const apr_table_entry_t*>(fields->elts)[i];
    if (field.key == nullptr) continue;
    const std::string_view name = field.key;
    if (wsgi::same_name(name, "Authorization") || wsgi::same_name(name, "Proxy-Authorization")) continue;
    if (wsgi::same_name(name, "Content-Type")) {
      variables.set("CONTENT_TYPE", field.val);
    } else if (wsgi::same_name(name, "Content-Length")) {
      variables.set("CONTENT_LENGTH", field.val);
    } else {
      variables.set(variable_of(name), field.val);
    }
  }
}

/// Returns the URL path and query of the first line of the request, as the client sent them.
const char* original_uri(const request_rec* request) {
  const char* const line = request->the_request != nullptr ? request->the_request : "";
  const std::string_view rest = std::string_view(line).substr(std::string_view(line).find(' ') + 1);
  return apr_pstrmemdup(request->pool, rest.data(), rest.substr(0, rest.find(' ')).size());
}

void add_request(request_rec* request, Variables& variables) {
  apr_pool_t* const pool = request->pool;
  variables.set("SERVER_SIGNATURE", ap_psignature("", request));
  variables.set("SERVER_SOFTWARE", ap_get_server_banner());
  variables.set("SERVER_NAME", ap_escape_html(pool, ap_get_server_name(request)));
  variables.set("SERVER_ADDR", request->connection->local_ip);
  variables.set("SERVER_PORT", apr_psprintf(pool, "%u", ap_get_server_port(request)));
  variables.set("SERVER_ADMIN", request->server->server_admin);
  variables.set("SERVER_PROTOCOL", request->protocol);
  variables.set("DOCUMENT_ROOT", ap_document_root(request));
  variables.set("REMOTE_HOST", ap_get_useragent_host(request, REMOTE_HOST, nullptr));
  variables.set("REMOTE_ADDR", request->useragent_ip);
  variables.set("REMOTE_PORT", apr_psprintf(pool, "%u", request->connection->client_addr->port));
  variables.set("REQUEST_METHOD", request->method);
  variables.set("REQUEST_URI", original_uri(request));
  variables.set("QUERY_STRING", request->args != nullptr ? request->args : "");
}

/// The paths with which access decisions are made, so they are those of Apache, which may differ from those that the
/// application gets.
void add_paths(request_rec* request, Variables& variables) {
  const char* const info = request->path_info != nullptr ? request->path_info : "";
  const bool included = std::string_view(request->protocol) == "INCLUDED";
  const int length = *info == '\0' || included ? static_cast<int>(std::string_view(request->uri).size())
                                               : ap_find_path_info(request->uri, info);
  variables.set("SCRIPT_NAME", apr_pstrmemdup(request->pool, request->uri, static_cast<apr_size_t>(length)));
  variables.set("PATH_INFO", info);
}

Object triple(int major, int minor, int patch) { return steal(Py_BuildValue("(iii)", major, minor, patch)); }

}  // namespace

AccessEnviron::AccessEnviron(const CalledScript& script, const std::string& application_group)
    : request_(steal(PyCapsule_New(new RequestHandle{script.request()}, kCapsule, free_handle))) {
  request_rec* const request = script.request();
  ap_version_t server;
  ap_get_server_revision(&server);
  const auto& version = bindings::kInterfaceVersion;
  DictBuilder dict;
  Variables variables(script.objects().names, dict);
  add_fields(request, variables);
  add_request(request, variables);
  add_paths(request, variables);
  variables.set("mod_wsgi.process_group", "");
  variables.set("mod_wsgi.application_group", application_group.c_str());
  script.add_common(dict);
  dict_ = dict.set("apache.version", triple(server.major, server.minor, server.patch))
              .set("mod_wsgi.version", triple(version[0], version[1], version[2]))
              .set("mod_ssl.is_https", steal(PyCFunction_New(&is_https_method, request_.ptr())))
              .set("mod_ssl.var_lookup", steal(PyCFunction_New(&var_lookup_method, request_.ptr())))
              .take();
}

AccessEnviron::~AccessEnviron() {
  if (request_) handle_of(request_.ptr())->request = nullptr;
}

}  // namespace sluice::apache
