// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/handler.hpp"

#include <apr_portable.h>
#include <http_connection.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <optional>
#include <string>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/python_options.hpp"
#include "adapters/apache/request/child.hpp"
#include "adapters/apache/request/daemon_client.hpp"
#include "adapters/apache/request/deferred_signals.hpp"
#include "adapters/apache/request/dispatch_script.hpp"
#include "adapters/apache/request/exchange.hpp"
#include "adapters/apache/request/target.hpp"
#include "adapters/apache/request/variables.hpp"
#include "adapters/wsgi/process/service.hpp"
#include "adapters/wsgi/request/head_rules.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {
namespace {

/// Logs why a request is refused and how it is answered, and returns the status. `message` begins with the id of the
/// log line.
int refuse(request_rec* request, int status, const char* message) {
  ap_log_rerror(
      APLOG_MARK, APLOG_ERR, 0, request, "%s",
      apr_psprintf(request->pool, "%s: %s; the request was answered with %d", message, request->filename, status));
  return status;
}

/// Returns OK, or the status of a request that AcceptPathInfo does not allow.
int check_path_info(request_rec* request) {
  if (request->used_path_info == AP_REQ_REJECT_PATH_INFO && request->path_info != nullptr &&
      *request->path_info != '\0') {
    return refuse(request, HTTP_NOT_FOUND, "SLC0433: AcceptPathInfo does not allow a path after the script");
  }
  return OK;
}

/// Returns OK, or the status of a request whose file is the script and cannot be run.
int check_script(request_rec* request, bool aliased) {
  if (!aliased && (ap_allow_options(request) & OPT_EXECCGI) == 0) {
    return refuse(request, HTTP_FORBIDDEN, "SLC0430: scripts may not run here without Options ExecCGI");
  }
  if (request->finfo.filetype == APR_NOFILE) {
    return refuse(request, HTTP_NOT_FOUND, "SLC0431: the WSGI script does not exist");
  }
  if (request->finfo.filetype != APR_REG) {
    return refuse(request, HTTP_FORBIDDEN, "SLC0432: the WSGI script is not a regular file");
  }
  return OK;
}

/// Returns the file of the script: that of the request, or that of a WSGIHandlerScript.
apr_finfo_t script_file(const request_rec* request, const Target& target) {
  if (target.script == nullptr) return request->finfo;
  apr_finfo_t file{};
  static_cast<void>(apr_stat(&file, target.script, APR_FINFO_MTIME, request->pool));
  return file;
}

/// Returns OK, or the status of a request whose script the process group must not run. The daemon process checks again
/// the file that it opens.
int check_owner(request_rec* request, const Target& target, const daemon::DaemonOptions& options) {
  const wsgi::ScriptOwnerRule rule = script_owner(options);
  if (!rule.any()) return OK;
  const char* const script = target.script != nullptr ? target.script : request->filename;
  const std::string reason = rule.why_forbidden(script);
  if (reason.empty()) return OK;
  return refuse(
      request, HTTP_FORBIDDEN,
      apr_pstrcat(request->pool, "SLC0434: the script '", script, "' must not run: ", reason.c_str(), nullptr));
}

/// Returns OK, or the status of a request that may not use the process group that it names.
int check_group(request_rec* request, const std::string& name, const DaemonGroup* group,
                const DirectoryConfig& config) {
  if (const apr_array_header_t* const allowed = config.allowed_groups) {
    const auto* const names = reinterpret_cast<const char* const*>(allowed->elts);
    if (std::find(names, names + allowed->nelts, name) == names + allowed->nelts) {
      return refuse(request, HTTP_INTERNAL_SERVER_ERROR,
                    apr_pstrcat(request->pool, "SLC0902: process group '", name.c_str(),
                                "' is not one of those that WSGIRestrictProcess allows here", nullptr));
    }
  }
  if (group == nullptr || may_use(*request->server, *group)) return OK;
  return refuse(
      request, HTTP_INTERNAL_SERVER_ERROR,
      apr_pstrcat(request->pool, "SLC0903: process group '", name.c_str(),
                  "' belongs to a virtual host with another ServerName; define it in the main server, or give "
                  "both hosts one name",
                  nullptr));
}

/// Returns OK, or the status of a request whose body cannot be accepted.
int check_body(request_rec* request, const DirectoryConfig& config) {
  if (const char* const coding = apr_table_get(request->headers_in, "Transfer-Encoding")) {
    if (!wsgi::same_name(coding, "chunked")) {
      return refuse(request, HTTP_NOT_IMPLEMENTED,
                    "SLC0436: the request body has a transfer encoding other than 'chunked', which is not supported");
    }
    if (config.chunked_request == 0) {
      return refuse(request, HTTP_LENGTH_REQUIRED,
                    "SLC0437: chunked request bodies are not allowed without WSGIChunkedRequest On");
    }
  }
  if (const char* const text = apr_table_get(request->headers_in, "Content-Length")) {
    char* end = nullptr;
    apr_off_t length = 0;
    if (apr_strtoff(&length, text, &end, 10) != APR_SUCCESS || end == text || *end != '\0' || length < 0) {
      return refuse(request, HTTP_BAD_REQUEST, "SLC0438: the Content-Length of the request is not a number");
    }
    const apr_off_t limit = ap_get_limit_req_body(request);
    if (limit > 0 && length > limit) {
      return refuse(request, HTTP_REQUEST_ENTITY_TOO_LARGE, "SLC0439: the request body exceeds LimitRequestBody");
    }
  }
  return OK;
}

int client_socket(const request_rec* request) {
  apr_socket_t* const socket = ap_get_conn_socket(request->connection);
  apr_os_sock_t descriptor = -1;
  return socket != nullptr && apr_os_sock_get(&descriptor, socket) == APR_SUCCESS ? descriptor : -1;
}

wsgi::DispatchedRequest dispatched_request(request_rec* request, const Target& target, const apr_finfo_t& file,
                                           Child& child) {
  const DirectoryConfig& config = config_of(request);
  const std::uint64_t now_ns = monotonic_ns();
  const std::int64_t accepted_ns = request->request_time * 1000;
  return {
      .application_group = target.application_group,
      .callable = target.callable,
      .script = {.path = target.script != nullptr ? target.script : request->filename,
                 .resource = target.script != nullptr && request->filename != nullptr ? request->filename : "",
                 .mtime_us = file.mtime,
                 .on_change = config.script_reloading != 0 ? wsgi::ScriptRequest::OnChange::kReload
                                                           : wsgi::ScriptRequest::OnChange::kServe},
      .timestamps = {.accepted_ns = child.wall_anchor().monotonic_of(accepted_ns, now_ns, system_clock().wall_ns())}};
}

int status_of(wsgi::Outcome outcome, const ApacheExchange& exchange) {
  switch (outcome) {
    case wsgi::Outcome::kResponded:
      return OK;
    case wsgi::Outcome::kTimedOut:
      return HTTP_GATEWAY_TIME_OUT;
    case wsgi::Outcome::kMissing:
      return HTTP_NOT_FOUND;
    case wsgi::Outcome::kForbidden:
      return HTTP_FORBIDDEN;
    case wsgi::Outcome::kUnavailable:
      return HTTP_SERVICE_UNAVAILABLE;
    case wsgi::Outcome::kFailed:
    case wsgi::Outcome::kOutdated:  // not in embedded mode, which reloads scripts
      break;
  }
  return exchange.input_error() != 0 ? exchange.input_error() : HTTP_INTERNAL_SERVER_ERROR;
}

/// Returns OK, or the status of a request that cannot be served.
int check_request(request_rec* request, const Target& target, const DirectoryConfig& config) {
  if (target.script == nullptr) {
    if (const int refused = check_script(request, target.aliased); refused != OK) return refused;
  }
  if (const int refused = check_path_info(request); refused != OK) return refused;
  return check_body(request, config);
}

int serve_request(request_rec* request, const Alias* handler) {
  Target target = resolve(request, handler);
  const DirectoryConfig& config = config_of(request);
  if (const int refused = check_request(request, target, config); refused != OK) return refused;
  Child* const process = child();
  if (process == nullptr)
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR,
                  "SLC0440: this process cannot serve WSGI scripts, because its set-up failed");
  if (config.dispatch_script != nullptr) {
    set_variables(request, target);
    if (const int refused = run_dispatch_script(request, *config.dispatch_script, target); refused != OK)
      return refused;
  }
  const std::string& group_name = target.process_group;
  const DaemonGroup* const group = group_name.empty() ? nullptr : find_daemon_group(group_name);
  if (!group_name.empty() && (group == nullptr || group->socket == nullptr)) {
    const std::string why =
        "SLC0441: process group '" + group_name + "' is not defined, or has threads=0 and serves no requests";
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR, why.c_str());
  }
  if (const int refused = check_group(request, group_name, group, config); refused != OK) return refused;
  const apr_finfo_t file = script_file(request, target);
  if (const int refused = group != nullptr ? check_owner(request, target, group->options) : OK; refused != OK)
    return refused;
  std::optional<DeferredSignals::Scope> whole_request;
  if (!process->threaded()) whole_request.emplace(client_socket(request));
  const wsgi::DispatchedRequest dispatched = dispatched_request(request, target, file, *process);
  ApacheExchange exchange(request);
  exchange.pass_authorization(passed_authorization(request, target));
  if (group != nullptr) return exchange.result(serve_in_daemon(request, target, *group, exchange, dispatched));
  set_variables(request, target);
  if (process_config().restrict_embedded != 0) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR, "SLC0442: embedded mode is disabled by WSGIRestrictEmbedded");
  }
  if (!process->runtime().running()) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR,
                  "SLC0443: Python is not running in this process, because it could not be started");
  }
  const wsgi::Outcome outcome =
      wsgi::serve(process->runtime(), process->thread_of(request), exchange, dispatched, process->facts());
  return exchange.result(status_of(outcome, exchange));
}

}  // namespace

int handle_request(request_rec* request) noexcept {
  if (request->handler == nullptr) return DECLINED;
  const std::string_view name = request->handler;
  const bool is_script = name == kHandlerName || name == kHandlerType;
  const Alias* const handler = is_script ? nullptr : find_handler_script(request);
  if (!is_script && handler == nullptr) return DECLINED;
  try {
    return serve_request(request, handler);
  } catch (const std::exception& error) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR,
                  apr_pstrcat(request->pool, "SLC0444: the request failed: ", error.what(), nullptr));
  }
}

}  // namespace sluice::apache
