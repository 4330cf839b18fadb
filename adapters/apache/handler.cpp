#include "adapters/apache/handler.hpp"

#include <apr_portable.h>
#include <http_connection.h>
#include <util_filter.h>
#include <util_script.h>

#include <cstdlib>
#include <exception>
#include <string>

#include "adapters/apache/child.hpp"
#include "adapters/apache/config.hpp"
#include "adapters/apache/daemon_client.hpp"
#include "adapters/apache/deferred_signals.hpp"
#include "adapters/apache/exchange.hpp"
#include "adapters/apache/paths.hpp"
#include "adapters/wsgi/process/service.hpp"
#include "adapters/wsgi/request/head_rules.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kDefaultCallable = "application";

/// Logs why a request is refused and gives its status.
int refuse(request_rec* request, int status, const char* why) {
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request, "%s: %s", why, request->filename);
  return status;
}

/// OK, or the status of a request whose script cannot be run.
int check_script(request_rec* request, bool aliased) {
  if (!aliased && (ap_allow_options(request) & OPT_EXECCGI) == 0) {
    return refuse(request, HTTP_FORBIDDEN, "Scripts may not run here without Options ExecCGI");
  }
  if (request->finfo.filetype == APR_NOFILE) {
    return refuse(request, HTTP_NOT_FOUND, "There is no such WSGI script");
  }
  if (request->finfo.filetype != APR_REG) {
    return refuse(request, HTTP_FORBIDDEN, "A WSGI script must be a regular file");
  }
  if (request->used_path_info == AP_REQ_REJECT_PATH_INFO && request->path_info != nullptr &&
      *request->path_info != '\0') {
    return refuse(request, HTTP_NOT_FOUND, "AcceptPathInfo does not allow a path after the script");
  }
  return OK;
}

/// OK, or the status of a request whose script belongs to somebody else than the process group wants. An early answer:
/// the daemon process looks at the file again that it opens.
int check_owner(request_rec* request, const daemon::Group& group) {
  const apr_finfo_t& file = request->finfo;
  if (group.script_user != nullptr && ((file.valid & APR_FINFO_USER) == 0 || file.user != group.script_uid)) {
    return refuse(request, HTTP_FORBIDDEN, "The script does not belong to the user whom script-user names");
  }
  if (group.script_group != nullptr && ((file.valid & APR_FINFO_GROUP) == 0 || file.group != group.script_gid)) {
    return refuse(request, HTTP_FORBIDDEN, "The script does not belong to the group which script-group names");
  }
  return OK;
}

/// OK, or the status of a request whose body cannot be accepted.
int check_body(request_rec* request, const DirectoryConfig& config) {
  if (const char* const coding = apr_table_get(request->headers_in, "Transfer-Encoding")) {
    if (!wsgi::same_name(coding, "chunked")) {
      return refuse(request, HTTP_NOT_IMPLEMENTED, "Only the transfer encoding 'chunked' is supported");
    }
    if (config.chunked_request == 0) {
      return refuse(request, HTTP_LENGTH_REQUIRED, "Chunked request bodies are not enabled");
    }
  }
  if (const char* const text = apr_table_get(request->headers_in, "Content-Length")) {
    char* end = nullptr;
    apr_off_t length = 0;
    if (apr_strtoff(&length, text, &end, 10) != APR_SUCCESS || end == text || *end != '\0' || length < 0) {
      return refuse(request, HTTP_BAD_REQUEST, "Invalid Content-Length");
    }
    const apr_off_t limit = ap_get_limit_req_body(request);
    if (limit > 0 && length > limit) {
      return refuse(request, HTTP_REQUEST_ENTITY_TOO_LARGE, "Request body exceeds LimitRequestBody");
    }
  }
  return OK;
}

const char* either(const char* first, const char* second) { return first != nullptr ? first : second; }

int client_socket(const request_rec* request) {
  apr_socket_t* const socket = ap_get_conn_socket(request->connection);
  apr_os_sock_t descriptor = -1;
  return socket != nullptr && apr_os_sock_get(&descriptor, socket) == APR_SUCCESS ? descriptor : -1;
}

/// The name of the process group; empty for the server's own processes.
std::string process_group(request_rec* request, const AliasNotes& notes, const DirectoryConfig& config) {
  const char* const configured = either(notes.process_group, config.process_group);
  return configured != nullptr ? expand_group(request, configured) : std::string();
}

wsgi::DispatchedRequest dispatched_request(request_rec* request, const AliasNotes& notes, const DirectoryConfig& config,
                                           Child& child) {
  const std::uint64_t now_ns = monotonic_ns();
  const std::int64_t accepted_ns = request->request_time * 1000;
  return {
      .application_group = application_group(request, either(notes.application_group, config.application_group)),
      .callable = either(either(notes.callable, config.callable), kDefaultCallable),
      .script = {.path = request->filename,
                 .mtime_us = request->finfo.mtime,
                 .on_change = config.script_reloading != 0 ? wsgi::ScriptRequest::OnChange::kReload
                                                           : wsgi::ScriptRequest::OnChange::kServe},
      .timestamps = {.accepted_ns = child.wall_anchor().monotonic_of(accepted_ns, now_ns, system_clock().wall_ns())}};
}

/// Whether a HEAD request is to be served as GET: filters that make headers of the body, as of a compressed one, want
/// it.
bool head_is_get(const request_rec* request, const DirectoryConfig& config) {
  if (request->method_number != M_GET || request->header_only == 0) return false;
  if (config.map_head_to_get != kUnset) return config.map_head_to_get == 1;
  return request->output_filters->frec->ftype < AP_FTYPE_PROTOCOL;
}

/// The variables of the request beyond those that the server sets for every handler.
void set_variables(request_rec* request, const AliasNotes& notes, const DirectoryConfig& config,
                   const std::string& process_group, const wsgi::DispatchedRequest& dispatched) {
  ap_add_common_vars(request);
  ap_add_cgi_vars(request);
  apr_table_t* const variables = request->subprocess_env;
  apr_table_set(variables, "SCRIPT_NAME", script_name(request).c_str());
  apr_table_set(variables, "PATH_INFO", path_info(request).c_str());
  const bool authorization =
      notes.pass_authorization != nullptr ? *notes.pass_authorization == '1' : config.pass_authorization == 1;
  if (const char* const value = apr_table_get(request->headers_in, "Authorization");
      authorization && value != nullptr) {
    apr_table_setn(variables, "HTTP_AUTHORIZATION", value);
  }
  if (head_is_get(request, config)) apr_table_setn(variables, "REQUEST_METHOD", "GET");
  apr_table_set(variables, "mod_wsgi.process_group", process_group.c_str());
  apr_table_set(variables, "mod_wsgi.application_group", dispatched.application_group.c_str());
  apr_table_set(variables, "mod_wsgi.callable_object", dispatched.callable.c_str());
  apr_table_setn(variables, "mod_wsgi.script_reloading", dispatched.script.reloads() ? "1" : "0");
  if (request->log_id != nullptr) apr_table_setn(variables, "mod_wsgi.request_id", request->log_id);
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
    case wsgi::Outcome::kOutdated:  // not here: scripts are loaded again
      break;
  }
  return exchange.input_error() != 0 ? exchange.input_error() : HTTP_INTERNAL_SERVER_ERROR;
}

int serve_request(request_rec* request) {
  const AliasNotes notes = alias_notes(request);
  const DirectoryConfig& config = config_of(request);
  if (const int refused = check_script(request, notes.aliased); refused != OK) return refused;
  if (const int refused = check_body(request, config); refused != OK) return refused;
  Child* const process = child();
  if (process == nullptr) return refuse(request, HTTP_INTERNAL_SERVER_ERROR, "This process cannot serve WSGI scripts");
  const std::string group_name = process_group(request, notes, config);
  const DaemonGroup* const group = group_name.empty() ? nullptr : find_daemon_group(group_name);
  if (!group_name.empty() && (group == nullptr || group->socket == nullptr)) {
    const std::string why =
        "No WSGI daemon process called '" + group_name + "' that serves requests has been configured";
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR, why.c_str());
  }
  if (const int refused = group != nullptr ? check_owner(request, group->group) : OK; refused != OK) return refused;
  const DeferredSignals::Scope whole_request(client_socket(request));
  const wsgi::DispatchedRequest dispatched = dispatched_request(request, notes, config, *process);
  set_variables(request, notes, config, group_name, dispatched);
  ApacheExchange exchange(request);
  if (group != nullptr) return serve_in_daemon(request, *group, exchange, dispatched);
  if (process_config().restrict_embedded != 0) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR, "Embedded mode is disabled by WSGIRestrictEmbedded");
  }
  if (!process->runtime().running()) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR, "Python is not running in this process");
  }
  const wsgi::Outcome outcome =
      wsgi::serve(process->runtime(), process->thread_of(request), exchange, dispatched, process->facts());
  return status_of(outcome, exchange);
}

}  // namespace

int handle_request(request_rec* request) noexcept {
  if (request->handler == nullptr || std::string_view(request->handler) != kHandlerName) return DECLINED;
  try {
    return serve_request(request);
  } catch (const std::exception& error) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR, error.what());
  }
}

}  // namespace sluice::apache
