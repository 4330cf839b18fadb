// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/access/access_hooks.hpp"

#include <ap_provider.h>
#include <mod_auth.h>

#include <exception>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "adapters/apache/access/environ.hpp"
#include "adapters/apache/config/config.hpp"
#include "adapters/apache/request/called_script.hpp"
#include "adapters/apache/request/target.hpp"

namespace sluice::apache {

using bindings::Object;
using bindings::steal;

namespace {

using Interpret = absl::FunctionRef<void(const CalledScript& script, PyObject* result)>;

Object text(const char* value) {
  return steal(PyUnicode_DecodeLatin1(value, static_cast<Py_ssize_t>(std::string_view(value).size()), nullptr));
}

/// Calls `function(environ, *arguments)` of a script and `interpret` with its result. Every failure is logged, and
/// `interpret` is not called then, so that the caller's decision stays the refusal that it began with.
void decide(request_rec* request, const ScriptFile& file, const char* function,
            const std::vector<const char*>& arguments, Interpret interpret) noexcept {
  try {
    // Looked up before a GIL is held, because a name server may be asked.
    static_cast<void>(ap_get_useragent_host(request, REMOTE_HOST, nullptr));
    const std::string application_group = group_of(request, file.application_group);
    static_cast<void>(use_script(request, file, [&](const CalledScript& script) {
      const AccessEnviron request_environ(script, application_group);
      Object call_arguments = steal(PyTuple_New(static_cast<Py_ssize_t>(arguments.size()) + 1));
      bool complete = request_environ.dict() && call_arguments;
      if (complete) PyTuple_SET_ITEM(call_arguments.ptr(), 0, Py_NewRef(request_environ.dict().ptr()));
      for (std::size_t i = 0; complete && i < arguments.size(); ++i) {
        Object argument = text(arguments[i]);
        complete = static_cast<bool>(argument);
        PyTuple_SET_ITEM(call_arguments.ptr(), static_cast<Py_ssize_t>(i) + 1, argument.release().ptr());
      }
      const Object result = script.call(function, complete ? call_arguments : Object());
      if (result) interpret(script, result.ptr());
    }));
  } catch (const std::exception& error) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "SLC1056: %s() of script '%s' is not called: %s; the request is refused", function, file.path,
                  error.what());
  }
}

/// Returns the name of a user that check_password() has returned as UTF-8; empty for anything else.
std::string user_name(PyObject* result) {
  if (PyUnicode_Check(result) == 0) return {};
  Py_ssize_t size = 0;
  const char* const name = PyUnicode_AsUTF8AndSize(result, &size);
  if (name == nullptr) return {};
  std::string user(name, static_cast<std::size_t>(size));
  // Apache would cut the name at a null character, and another user would be logged in.
  return user.find('\0') == std::string::npos ? user : std::string();
}

/// Returns the script that authenticates users, or null, which is logged.
const ScriptFile* user_script(request_rec* request) {
  const ScriptFile* const file = config_of(request).user_script;
  if (file != nullptr) return file;
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                "SLC1057: the provider 'wsgi' cannot authenticate a user, because no WSGIAuthUserScript applies to "
                "'%s'; the request is refused. Add the directive.",
                request->uri);
  return nullptr;
}

authn_status check_password(request_rec* request, const char* user, const char* password) {
  const ScriptFile* const file = user_script(request);
  if (file == nullptr) return AUTH_GENERAL_ERROR;
  authn_status status = AUTH_GENERAL_ERROR;
  decide(request, *file, "check_password", {user, password}, [&](const CalledScript& script, PyObject* result) {
    if (result == Py_None) {
      status = AUTH_USER_NOT_FOUND;
    } else if (PyBool_Check(result)) {
      status = result == Py_True ? AUTH_GRANTED : AUTH_DENIED;
    } else if (const std::string name = user_name(result); !name.empty()) {
      request->user = apr_pstrdup(request->pool, name.c_str());
      status = AUTH_GRANTED;
    } else {
      script.log_wrong_result("check_password", "True, False, None or the name of a user", result);
    }
  });
  return status;
}

authn_status get_realm_hash(request_rec* request, const char* user, const char* realm, char** hash) {
  const ScriptFile* const file = user_script(request);
  if (file == nullptr) return AUTH_GENERAL_ERROR;
  authn_status status = AUTH_GENERAL_ERROR;
  decide(request, *file, "get_realm_hash", {user, realm}, [&](const CalledScript& script, PyObject* result) {
    if (result == Py_None) {
      status = AUTH_USER_NOT_FOUND;
    } else if (const std::optional<std::string> text = latin1_of(result); text && !text->empty()) {
      *hash = apr_pstrdup(request->pool, text->c_str());
      status = AUTH_USER_FOUND;
    } else {
      script.log_wrong_result("get_realm_hash", "a hash as str or bytes, or None", result);
    }
  });
  return status;
}

/// Appends the items of an iterable. Returns false after an error, which has been logged: then none of them counts.
bool collect_groups(const CalledScript& script, PyObject* result, std::vector<std::string>& groups) {
  const Object iterator = steal(PyObject_GetIter(result));
  if (!iterator) {
    script.log_wrong_result("groups_for_user", "an iterable of str", result);
    return false;
  }
  while (const Object item = steal(PyIter_Next(iterator.ptr()))) {
    std::optional<std::string> group = latin1_of(item.ptr());
    if (!group) {
      script.log_wrong_result("groups_for_user", "an iterable whose items are str of Latin-1 characters or bytes",
                              item.ptr());
      return false;
    }
    groups.push_back(*std::move(group));
  }
  if (PyErr_Occurred() == nullptr) return true;
  script.log_exception("groups_for_user");
  return false;
}

/// Whether one of the groups is in the list of names of a Require line. Letter case does not matter, as with mod_wsgi.
bool is_member(request_rec* request, const std::vector<std::string>& groups, const char* required) {
  while (const char* const word = ap_getword_conf(request->pool, &required)) {
    if (*word == '\0') return false;
    for (const std::string& group : groups) {
      if (absl::EqualsIgnoreCase(group, word)) return true;
    }
  }
  return false;
}

authz_status check_group(request_rec* request, const char* required, const void*) {
  if (request->user == nullptr) return AUTHZ_DENIED_NO_USER;
  const ScriptFile* const file = config_of(request).group_script;
  if (file == nullptr) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "SLC1058: 'Require wsgi-group' grants nothing, because no WSGIAuthGroupScript applies to '%s'; the "
                  "request is refused. Add the directive.",
                  request->uri);
    return AUTHZ_DENIED;
  }
  bool has_groups = false;
  std::vector<std::string> groups;
  decide(request, *file, "groups_for_user", {request->user},
         [&](const CalledScript& script, PyObject* result) { has_groups = collect_groups(script, result, groups); });
  if (!has_groups) return AUTHZ_DENIED;
  if (is_member(request, groups, required)) return AUTHZ_GRANTED;
  ap_log_rerror(
      APLOG_MARK, APLOG_ERR, 0, request,
      "SLC1059: user '%s' is in none of the groups that 'Require wsgi-group' names; access to '%s' is refused",
      request->user, request->uri);
  return AUTHZ_DENIED;
}

void log_denied(request_rec* request) {
  // Authentication may still admit the client.
  if (ap_satisfies(request) == SATISFY_ANY && ap_some_auth_required(request) != 0) return;
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                "SLC1060: the WSGIAccessScript has not admitted the client to '%s', which is answered with 403",
                request->uri);
}

int check_access(request_rec* request) {
  const ScriptFile* const file = config_of(request).access_script;
  if (file == nullptr) return DECLINED;
  const char* const name = ap_get_useragent_host(request, REMOTE_HOST, nullptr);
  int status = HTTP_FORBIDDEN;
  decide(request, *file, "allow_access", {name != nullptr ? name : request->useragent_ip},
         [&](const CalledScript& script, PyObject* result) {
           if (result == Py_None) {
             status = DECLINED;
           } else if (PyBool_Check(result)) {
             status = result == Py_True ? OK : HTTP_FORBIDDEN;
           } else {
             script.log_wrong_result("allow_access", "True, False or None", result);
           }
         });
  if (status == HTTP_FORBIDDEN) log_denied(request);
  return status;
}

const authn_provider kAuthentication = {check_password, get_realm_hash};
const authz_provider kGroupMembership = {check_group, nullptr};

}  // namespace

void add_access_hooks(apr_pool_t* pool) {
  // The variables of TLS are known after mod_ssl, and mod_authz_host decides about addresses after the script.
  static const char* const before[] = {"mod_ssl.c", nullptr};
  static const char* const after[] = {"mod_authz_host.c", nullptr};
  ap_register_provider(pool, AUTHN_PROVIDER_GROUP, "wsgi", AUTHN_PROVIDER_VERSION, &kAuthentication);
  ap_register_provider(pool, AUTHZ_PROVIDER_GROUP, "wsgi-group", AUTHZ_PROVIDER_VERSION, &kGroupMembership);
  ap_hook_access_checker(check_access, before, after, APR_HOOK_MIDDLE);
}

}  // namespace sluice::apache
