// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/directives.hpp"

#include <sys/stat.h>

#include <cstddef>
#include <cstring>
#include <string_view>

#include "absl/strings/numbers.h"
#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/config_error.hpp"
#include "adapters/apache/config/daemon_option_parser.hpp"
#include "adapters/apache/config/directive_arguments.hpp"
#include "adapters/apache/config/listen_directive.hpp"
#include "adapters/apache/config/notes.hpp"
#include "adapters/apache/config/obsolete_directives.hpp"
#include "adapters/apache/config/python_directives.hpp"
#include "adapters/apache/config/request_directives.hpp"
#include "adapters/apache/config/script_directives.hpp"
#include "adapters/apache/config/telemetry_directives.hpp"
#include "adapters/wsgi/process/runtime.hpp"

namespace sluice::apache {
namespace {

/// Whether both groups and the file of an alias are known before any request. Its script is loaded at the start of a
/// process then.
bool is_literal(const Alias& alias) {
  return alias.process_group != nullptr && alias.application_group != nullptr &&
         !has_expansion(alias.application_group) && !has_expansion(alias.process_group) &&
         (alias.pattern == nullptr || std::strchr(alias.target, '$') == nullptr);
}

void import_alias(const cmd_parms* cmd, const Alias& alias) {
  struct stat info {};
  if (!is_literal(alias) || ::stat(alias.target, &info) != 0 || !S_ISREG(info.st_mode)) return;
  *static_cast<Import*>(apr_array_push(process_config().imports)) = {
      canonical(cmd->pool, alias.target), alias.application_group, alias.process_group, cmd->server, true};
}

const char* script_alias(cmd_parms* cmd, void*, const char* line) {
  Alias alias;
  alias.location = ap_getword_conf(cmd->pool, &line);
  alias.target = ap_getword_conf(cmd->pool, &line);
  if (*alias.location == '\0' || *alias.target == '\0') return error(cmd, "requires a URL path and a file");
  while (*line != '\0') {
    Option option;
    if (const char* const problem = next_option(cmd, line, option)) return problem;
    if (const char* const problem = parse_alias_option(cmd, option, alias)) return problem;
  }
  if (cmd->info != nullptr) {
    alias.pattern = ap_pregcomp(cmd->pool, alias.location, AP_REG_EXTENDED);
    if (alias.pattern == nullptr) return error(cmd, "'", alias.location, "' is not a valid regular expression");
  }
  note_application_group(alias.application_group);
  *static_cast<Alias*>(apr_array_push(config_of(cmd->server).aliases)) = alias;
  import_alias(cmd, alias);
  return nullptr;
}

const char* import_script(cmd_parms* cmd, void*, const char* line) {
  Import script{ap_getword_conf(cmd->pool, &line), nullptr, nullptr, cmd->server, false};
  if (*script.path == '\0') return error(cmd, "requires a file");
  script.path = canonical(cmd->pool, script.path);
  while (*line != '\0') {
    Option option;
    if (const char* const problem = next_option(cmd, line, option)) return problem;
    const std::string_view name = option.name;
    if (name == "application-group") {
      script.application_group = group_name(option.value);
    } else if (name == "process-group") {
      script.process_group = group_name(option.value);
    } else {
      return error(cmd, "unknown option '", option.name, "'");
    }
  }
  if (script.application_group == nullptr) return error(cmd, "option 'application-group' is required");
  if (script.process_group == nullptr) return error(cmd, "option 'process-group' is required");
  if (has_expansion(script.process_group)) {
    return error(cmd, "option 'process-group': '", script.process_group,
                 "' has a value only while a request is served");
  }
  if (has_expansion(script.application_group)) {
    add_note(apr_pstrcat(cmd->pool, "WSGIImportScript ", script.path, " has no effect, because application group '",
                         script.application_group, "' has a value only while a request is served", nullptr));
    return nullptr;
  }
  note_application_group(script.application_group);
  *static_cast<Import*>(apr_array_push(process_config().imports)) = script;
  return nullptr;
}

const char* application_group(cmd_parms*, void* config, const char* value) {
  note_application_group(value);
  static_cast<DirectoryConfig*>(config)->application_group = value;
  return nullptr;
}

const char* process_group(cmd_parms*, void* config, const char* value) {
  static_cast<DirectoryConfig*>(config)->process_group = group_name(value);
  return nullptr;
}

const char* restrict_process(cmd_parms* cmd, void* config, const char* line) {
  apr_array_header_t* const groups = apr_array_make(cmd->pool, 4, sizeof(const char*));
  while (*line != '\0') {
    *static_cast<const char**>(apr_array_push(groups)) = group_name(ap_getword_conf(cmd->pool, &line));
  }
  static_cast<DirectoryConfig*>(config)->allowed_groups = groups;
  return nullptr;
}

const char* callable_object(cmd_parms* cmd, void* config, const char* value) {
  if (*value == '\0') return error(cmd, "requires a name");
  static_cast<DirectoryConfig*>(config)->callable = value;
  return nullptr;
}

template <int DirectoryConfig::*Member>
const char* directory_switch(cmd_parms* cmd, void* config, const char* value) {
  return parse_switch(cmd, value, static_cast<DirectoryConfig*>(config)->*Member);
}

/// Accepts On and Off for a switch that changes nothing in this module.
const char* accepted_switch(cmd_parms* cmd, void*, const char* value) {
  int ignored = 0;
  return parse_switch(cmd, value, ignored);
}

const char* map_head_to_get(cmd_parms* cmd, void* config, const char* value) {
  int& member = static_cast<DirectoryConfig*>(config)->map_head_to_get;
  member = kUnset;
  return strcasecmp(value, "Auto") == 0 ? nullptr : parse_switch(cmd, value, member);
}

/// Returns an error when a group cannot have a socket; null otherwise. Without this check a configuration that was
/// found valid would stop a running server at its next restart.
const char* check_socket(cmd_parms* cmd, const daemon::DaemonOptions& options) {
  if (!options.serves()) return nullptr;
  if (std::strlen(options.name) > daemon::DaemonOptions::kNameBytesMax) {
    return error(cmd, apr_psprintf(cmd->pool, "the name '%s' is longer than %d bytes", options.name,
                                   static_cast<int>(daemon::DaemonOptions::kNameBytesMax)));
  }
  if (count_serving_groups() < daemon::DaemonOptions::kGroupsMax) return nullptr;
  return error(cmd, apr_psprintf(cmd->pool, "process group '%s' is one more than the %d that can serve requests",
                                 options.name, daemon::DaemonOptions::kGroupsMax));
}

const char* daemon_process(cmd_parms* cmd, void*, const char* line) {
  daemon::DaemonOptions options;
  options.name = ap_getword_conf(cmd->pool, &line);
  if (*options.name == '\0') return error(cmd, "requires a name");
  if (has_expansion(options.name))
    return error(cmd, "'", options.name, "' cannot be the name of a process group, because it contains a variable");
  if (find_daemon_group(options.name) != nullptr)
    return error(cmd, "process group '", options.name, "' is already defined");
  DaemonOptionParser parser(cmd->pool, options);
  while (*line != '\0') {
    Option option;
    if (const char* const problem = next_option_or_empty(cmd, line, option)) return problem;
    if (const char* const problem = parser.set(option.name, option.value)) return error(cmd, problem);
  }
  if (const char* const problem = parser.complete()) return error(cmd, problem);
  if (const char* const problem = check_socket(cmd, options)) return problem;
  *static_cast<DaemonGroup*>(apr_array_push(process_config().daemons)) = {options, nullptr, nullptr, cmd->server};
  return nullptr;
}

const char* restrict_embedded(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  return parse_switch(cmd, value, process_config().restrict_embedded);
}

const char* socket_prefix(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  process_config().socket_prefix = ap_server_root_relative(cmd->pool, value);
  return process_config().socket_prefix != nullptr ? nullptr : error(cmd, "'", value, "' is not a valid path");
}

const char* server_metrics(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  return parse_switch(cmd, value, process_config().server_metrics);
}

const char* interpreter_limit(cmd_parms* cmd, void*, const char* value) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  constexpr int kMost = 1'000'000;
  int limit = 0;
  if (!absl::SimpleAtoi(value, &limit) || limit < 1 || limit > kMost) {
    return error(cmd, "must be a number from 1 to 1000000, not '", value, "'");
  }
  process_config().interpreter_limit = limit;
  return nullptr;
}

/// Returns true when a process group is defined and a server may use it; otherwise logs that it may not.
bool usable(const char* directive, const char* process_group, const server_rec& server) {
  if (process_group == nullptr || *process_group == '\0' || has_expansion(process_group)) return true;
  if (const DaemonGroup* const group = find_daemon_group(process_group)) {
    if (may_use(server, *group)) return true;
    ap_log_error(
        APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, nullptr,
        "SLC0901: %s of '%s' names process group '%s', which belongs to virtual host '%s'; the server does not "
        "start. Give both hosts one ServerName, or define the group outside of virtual hosts",
        directive, server.server_hostname, process_group, group->server->server_hostname);
    return false;
  }
  ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_EMERG, 0, nullptr,
               "SLC0401: %s names process group '%s', which no WSGIDaemonProcess defines; the server does not start",
               directive, process_group);
  return false;
}

/// Checks the process group of an alias. Returns false when the server must not start because of it, which is logged.
/// An alias whose groups or file depend on the request is accepted with a note, because nothing has to be loaded for it
/// at the start; its requests are answered with 500, unless a dispatch script names another group.
bool check_alias(apr_pool_t* pool, const Alias& alias, const server_rec& server) {
  const char* const name = alias.process_group;
  if (is_literal(alias)) return usable("WSGIScriptAlias", name, server);
  if (name == nullptr || *name == '\0' || has_expansion(name)) return true;
  const DaemonGroup* const group = find_daemon_group(name);
  if (group != nullptr && may_use(server, *group)) return true;
  const char* const why = group == nullptr ? "which no WSGIDaemonProcess defines"
                                           : "which belongs to a virtual host with another ServerName";
  add_note(apr_pstrcat(pool, alias.pattern == nullptr ? "WSGIScriptAlias " : "WSGIScriptAliasMatch ", alias.location,
                       " names process group '", name, "', ", why,
                       "; its requests are answered with 500, unless a dispatch script names another", nullptr));
  return true;
}

using Handler = const char* (*)(cmd_parms*, void*, const char*);

/// Casts a handler to the type that the macros of Apache expect, because C++ cannot initialise their union by the name
/// of a member. The cast goes through a third type to silence a warning about unrelated function types.
cmd_func untyped(Handler handler) { return reinterpret_cast<cmd_func>(reinterpret_cast<void (*)()>(handler)); }

command_rec one(const char* name, Handler handler, int where, const char* help) {
  return AP_INIT_TAKE1(name, untyped(handler), nullptr, where, help);
}

command_rec raw(const char* name, Handler handler, void* info, int where, const char* help) {
  return AP_INIT_RAW_ARGS(name, untyped(handler), info, where, help);
}

command_rec two(const char* name, const char* (*handler)(cmd_parms*, void*, const char*, const char*), int where,
                const char* help) {
  const auto untyped_handler = reinterpret_cast<cmd_func>(reinterpret_cast<void (*)()>(handler));
  return AP_INIT_TAKE12(name, untyped_handler, nullptr, where, help);
}

command_rec obsolete(const char* name, const ObsoleteDirective& directive) {
  auto* const info = const_cast<ObsoleteDirective*>(&directive);
  const int where = directive.server_only ? RSRC_CONF : OR_AUTHCFG;
  return AP_INIT_TAKE1(name, untyped(obsolete_directive), info, where, "Accepted without an effect");
}

constexpr int kServer = RSRC_CONF;
constexpr int kDirectory = RSRC_CONF | ACCESS_CONF;
constexpr int kAnywhere = OR_FILEINFO;

char match_marker;  // its address distinguishes WSGIScriptAliasMatch from WSGIScriptAlias

}  // namespace

int check_configuration(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec* server) {
  for (; server != nullptr; server = server->next) {
    const apr_array_header_t* const aliases = config_of(server).aliases;
    for (int i = 0; i < aliases->nelts; ++i) {
      const auto& alias = reinterpret_cast<const Alias*>(aliases->elts)[i];
      if (!check_alias(pool, alias, *server)) return HTTP_INTERNAL_SERVER_ERROR;
    }
  }
  const apr_array_header_t* const imports = process_config().imports;
  for (int i = 0; i < imports->nelts; ++i) {
    const auto& script = reinterpret_cast<const Import*>(imports->elts)[i];
    if (!usable("WSGIImportScript", script.process_group, *script.server)) return HTTP_INTERNAL_SERVER_ERROR;
  }
  log_notes_of_check();
  return OK;
}

const command_rec kDirectives[] = {
    raw("WSGIScriptAlias", script_alias, nullptr, kServer, "URL path and WSGI script or directory, then options"),
    raw("WSGIScriptAliasMatch", script_alias, &match_marker, kServer,
        "Regular expression and WSGI script, then options"),
    raw("WSGIImportScript", import_script, nullptr, kServer, "Script to load at process start, then options"),
    one("WSGIApplicationGroup", application_group, kDirectory, "Name of the interpreter for the application"),
    one("WSGIProcessGroup", process_group, kDirectory, "Name of the process group for the application"),
    one("WSGICallableObject", callable_object, kAnywhere, "Name of the callable in the script"),
    one("WSGIScriptReloading", directory_switch<&DirectoryConfig::script_reloading>, kAnywhere,
        "On or Off: reload a script when its file changes"),
    one("WSGIPassAuthorization", directory_switch<&DirectoryConfig::pass_authorization>, kAnywhere,
        "On or Off: pass the Authorization header to the application"),
    raw("WSGIAuthUserScript", script_file<&DirectoryConfig::user_script>, nullptr, OR_AUTHCFG,
        "Script with check_password() or get_realm_hash(), then options"),
    raw("WSGIAuthGroupScript", script_file<&DirectoryConfig::group_script>, nullptr, OR_AUTHCFG,
        "Script with groups_for_user(), then options"),
    raw("WSGIAccessScript", script_file<&DirectoryConfig::access_script>, nullptr, OR_AUTHCFG,
        "Script with allow_access(), then options"),
    raw("WSGIDispatchScript", script_file<&DirectoryConfig::dispatch_script>, nullptr, kDirectory,
        "Script that chooses the groups and the callable of a request, then options"),
    raw("WSGIHandlerScript", handler_script, nullptr, kDirectory,
        "Name of a handler and WSGI script with handle_request(), then options"),
    one("WSGIChunkedRequest", directory_switch<&DirectoryConfig::chunked_request>, kAnywhere,
        "On or Off: accept chunked request bodies, which have no length"),
    one("WSGIIgnoreActivity", directory_switch<&DirectoryConfig::ignore_activity>, kAnywhere,
        "On or Off: requests do not count as activity for inactivity-timeout"),
    one("WSGIRestrictStdin", restrict_stdin, kServer, "On or Off: use of sys.stdin raises an exception"),
    one("WSGIRestrictStdout", restrict_stdout, kServer, "On or Off: use of sys.stdout raises an exception"),
    one("WSGIPassApacheRequest", directory_switch<&DirectoryConfig::pass_request>, kDirectory,
        "On or Off: pass the request_rec to embedded applications"),
    one("WSGIEnableSendfile", accepted_switch, kAnywhere, "On or Off: without effect, EnableSendfile applies"),
    one("WSGIErrorOverride", directory_switch<&DirectoryConfig::error_override>, kAnywhere,
        "On or Off: replace error responses of daemon processes by error documents of the server"),
    one("WSGIMapHEADToGET", map_head_to_get, kAnywhere,
        "On, Off or Auto: pass HEAD requests to the application as GET"),
    raw("WSGITrustedProxies", trusted_proxies, nullptr, kAnywhere,
        "Addresses and networks of the proxies whose header fields are trusted"),
    raw("WSGITrustedProxyHeaders", trusted_proxy_headers, nullptr, kAnywhere,
        "Header fields of trusted proxies that replace what the connection tells"),
    raw("WSGIDaemonProcess", daemon_process, nullptr, kServer, "Name of a process group, then options"),
    one("WSGIRestrictEmbedded", restrict_embedded, kServer, "On or Off: serve applications in daemon processes only"),
    one("WSGIRestrictSignal", restrict_signal, kServer, "On or Off: ignore signal handlers of applications"),
    raw("WSGIListenSocket", listen_socket, nullptr, kServer,
        "Path of a Unix socket to listen at, then mode=MODE and group=NAME"),
    one("WSGISocketPrefix", socket_prefix, kServer, "Prefix of the paths of the sockets of daemon processes"),
    two("WSGITelemetryService", telemetry_service, kServer,
        "unix:/path of the telemetry service, then interval=SECONDS"),
    raw("WSGITelemetryOptions", telemetry_options, nullptr, kServer, "Flags with or without + and -, None, or All"),
    one("WSGISlowRequests", slow_requests, kServer, "Duration in seconds from which a request is reported as slow"),
    one("WSGIMetricsSlowRequests", metrics_slow_requests, kServer,
        "Age in seconds from which the metrics endpoint lists a request in flight"),
    one("WSGIServerMetrics", server_metrics, kServer, "On or Off: allow server_metrics() in embedded applications"),
    raw("WSGIRestrictProcess", restrict_process, nullptr, kDirectory,
        "Names of the process groups that may be used here"),
    one("WSGIPythonEggs", python_eggs, kServer, "Directory for PYTHON_EGG_CACHE"),
    one("WSGIPythonHashSeed", python_hash_seed, kServer, "random, or the seed of hashes"),
    one("WSGIPythonWarnings", python_warnings, kServer, "Filter of warnings, as for python -W"),
    one("WSGIDontWriteBytecode", dont_write_bytecode, kServer, "On or Off: do not cache compiled modules in files"),
    one("WSGIDestroyInterpreter", destroy_interpreter, kServer, "On or Off: end Python when a process ends"),
    one("WSGISwitchInterval", switch_interval, kServer, "Seconds after which a thread gives the GIL to another"),
    one("WSGIFreeThreading", free_threading, kServer, "On or Off: run Python without a GIL"),
    raw("<WSGIInterpreterOptions", interpreter_options, nullptr, kServer,
        "process-group=NAME application-group=NAME: the interpreters to which the directives inside apply"),
    obsolete("WSGIAcceptMutex", kAcceptMutex),
    obsolete("WSGICaseSensitivity", kCaseSensitivity),
    obsolete("WSGIGroupAuthoritative", kGroupAuthoritative),
    obsolete("WSGISocketRotation", kSocketRotation),
    obsolete("WSGIVerboseDebugging", kVerboseDebugging),
    one("WSGIPythonPath", python_path, kServer, "Directories for sys.path, separated by colons"),
    one("WSGIPythonHome", python_home, kServer, "Prefix of the Python installation, or a virtual environment"),
    one("WSGIPythonOptimize", python_optimize, kServer, "Number of -O, as for python"),
    one("WSGIInterpreterLimit", interpreter_limit, kServer,
        "Maximum number of sub-interpreters that requests can create in a process"),
    one("WSGIPerInterpreterGIL", per_interpreter_gil, kServer, "On or Off: give each sub-interpreter its own GIL"),
    {}};

}  // namespace sluice::apache
