// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/dispatch_script.hpp"

#include <optional>
#include <string>

#include "adapters/apache/request/called_script.hpp"
#include "adapters/apache/request/variables.hpp"
#include "bindings/dict_builder.hpp"

namespace sluice::apache {

using bindings::DictBuilder;
using bindings::Object;
using bindings::steal;

namespace {

/// The variables of the request, with the groups of the dispatch script in the place of those of the application.
Object dispatch_environ(const CalledScript& script, const std::string& application_group, const char* authorization) {
  request_rec* const request = script.request();
  wsgi::Names& names = script.objects().names;
  DictBuilder dict;
  const apr_array_header_t* const entries = apr_table_elts(request->subprocess_env);
  for (int i = 0; i < entries->nelts; ++i) {
    const auto& entry = reinterpret_cast<const apr_table_entry_t*>(entries->elts)[i];
    if (entry.key == nullptr || std::string_view(entry.key) == "mod_wsgi.callable_object") continue;
    if (dict.dict() != nullptr && !names.set(dict.dict(), entry.key, entry.val != nullptr ? entry.val : ""))
      dict.fail();
  }
  if (authorization != nullptr && dict.dict() != nullptr &&
      !names.set(dict.dict(), "HTTP_AUTHORIZATION", authorization))
    dict.fail();
  if (dict.dict() != nullptr && (!names.set(dict.dict(), "mod_wsgi.process_group", "") ||
                                 !names.set(dict.dict(), "mod_wsgi.application_group", application_group))) {
    dict.fail();
  }
  script.add_common(dict);
  return dict.take();
}

/// Calls a function of the script, if it has it. Returns false after an error, which has been logged. `choice` is empty
/// when the function leaves the choice to the configuration.
bool choose(const CalledScript& script, const char* function, const Object& variables,
            std::optional<std::string>& choice) {
  if (!script.defines(function)) return true;
  const Object result = script.call(function, steal(PyTuple_Pack(1, variables.ptr())));
  if (!result) return false;
  if (result.is_none()) return true;
  choice = latin1_of(result.ptr());
  if (choice) return true;
  script.log_wrong_result(function, "a str of Latin-1 characters or None", result.ptr());
  return false;
}

bool choose_target(const CalledScript& script, const std::string& application_group, Target& target) {
  request_rec* const request = script.request();
  const Object variables = dispatch_environ(script, application_group, passed_authorization(request, target));
  if (!variables) {
    script.log_exception("process_group");
    return false;
  }
  std::optional<std::string> process;
  std::optional<std::string> application;
  std::optional<std::string> callable;
  if (!choose(script, "process_group", variables, process) ||
      !choose(script, "application_group", variables, application) ||
      !choose(script, "callable_object", variables, callable)) {
    return false;
  }
  if (process) target.process_group = group_of(request, *process);
  if (application) target.application_group = group_of(request, *application);
  if (callable) target.callable = callable_of(request, apr_pstrdup(request->pool, callable->c_str()));
  return true;
}

}  // namespace

int run_dispatch_script(request_rec* request, const ScriptFile& file, Target& target) {
  bool chosen = false;
  const std::string application_group = group_of(request, file.application_group);
  const bool ran = use_script(
      request, file, [&](const CalledScript& script) { chosen = choose_target(script, application_group, target); });
  return ran && chosen ? OK : HTTP_INTERNAL_SERVER_ERROR;
}

}  // namespace sluice::apache
