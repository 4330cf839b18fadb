// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/metrics/metrics_handler.hpp"

#include <algorithm>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/metrics/listed_requests.hpp"
#include "adapters/apache/supervision/process_registry.hpp"
#include "adapters/wsgi/schema/process_board.hpp"
#include "sluice/clock.hpp"
#include "sluice/encode/exposition.hpp"
#include "sluice/encode/server.hpp"

namespace sluice::apache {
namespace {

constexpr const char* kRetrySeconds = "1";

/// Logs why a request is refused and how it is answered, and returns the status. `message` begins with the id of the
/// log line.
int refuse(request_rec* request, int status, const char* message) {
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request, "%s",
                apr_psprintf(request->pool, "%s: %s; the request was answered with %d", message, request->uri, status));
  return status;
}

/// Returns true when a `Require` in a <Location> of the request allows it.
///
/// The access check of the server does not suffice: it allows every request to which no `Require` applies, and a
/// `Require` for files, such as the document root, would apply here, too. So the check is repeated with nothing but the
/// sections for the URL in force: one of them has to contain a `Require`, and the request has to meet it.
bool allowed(const request_rec* request) {
  request_rec copy = *request;
  copy.per_dir_config = copy.server->lookup_defaults;
  if (ap_location_walk(&copy) != OK || ap_some_auth_required(&copy) == 0) return false;
  const int without_user = ap_run_access_checker_ex(&copy);
  if (without_user != DECLINED) return without_user == OK;
  return copy.user != nullptr && ap_run_auth_checker(&copy) == OK;
}

enum class Answer { kNegotiated, kPrometheus, kOpenMetrics, kJson };

/// Returns the format that the query asks for; empty when there is no such format.
std::optional<Answer> requested_answer(const char* query) {
  constexpr std::string_view kName = "format=";
  Answer answer = Answer::kNegotiated;
  std::string_view rest = query != nullptr ? query : "";
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    if (!item.starts_with(kName)) continue;
    const std::string_view value = item.substr(kName.size());
    if (value == "json") {
      answer = Answer::kJson;
    } else if (value == "openmetrics") {
      answer = Answer::kOpenMetrics;
    } else if (value == "prometheus") {
      answer = Answer::kPrometheus;
    } else {
      return std::nullopt;
    }
  }
  return answer;
}

encode::Format text_format(const request_rec* request, Answer answer) {
  if (answer == Answer::kOpenMetrics) return encode::Format::kOpenMetrics;
  if (answer == Answer::kPrometheus) return encode::Format::kPrometheus;
  apr_table_mergen(request->headers_out, "Vary", "Accept");
  const char* const accept = apr_table_get(request->headers_in, "Accept");
  return encode::negotiate(accept != nullptr ? accept : "");
}

/// Adds what the processes tell beside their counts.
void put_json(ServerReading& reading, std::string& body) {
  for (GroupReading& group : reading.groups) {
    for (ProcessReading& process : group.live) {
      if (process.listed) process.state = wsgi::name_of(wsgi::state_in(process.host_memory));
    }
  }
  const std::optional<std::uint64_t> age_ns = listed_requests_ns();
  const std::string members = age_ns ? listed_requests(reading, *age_ns, monotonic_ns()) : std::string();
  encode::fill(body, [&](std::span<char> out) { return encode::server_json(reading, out, members); });
}

int respond(request_rec* request, Answer answer, ServerReading& reading) {
  std::string body;
  if (answer == Answer::kJson) {
    ap_set_content_type(request, "application/json");
    put_json(reading, body);
  } else {
    const encode::Format format = text_format(request, answer);
    ap_set_content_type(request, apr_pstrdup(request->pool, encode::content_type(format).data()));
    encode::fill(body, [&](std::span<char> out) { return encode::server_exposition(reading, format, out); });
  }
  apr_table_setn(request->headers_out, "Cache-Control", "no-store");
  ap_set_content_length(request, static_cast<apr_off_t>(body.size()));
  if (request->header_only == 0) ap_rwrite(body.data(), static_cast<int>(body.size()), request);
  return OK;
}

int serve(request_rec* request) {
  if (request->method_number != M_GET) {  // HEAD counts as GET here
    ap_allow_standard_methods(request, REPLACE_ALLOW, M_GET, -1);
    return HTTP_METHOD_NOT_ALLOWED;
  }
  if (!allowed(request))
    return refuse(request, HTTP_FORBIDDEN,
                  "SLC0450: access to the metrics is not allowed, because no Require in a <Location> allows it");
  const std::optional<Answer> answer = requested_answer(request->args);
  if (!answer) return refuse(request, HTTP_BAD_REQUEST, "SLC0451: the query asks for a format that does not exist");
  absl::StatusOr<ServerReading> reading = read_registry(parent_state());
  if (!reading.ok()) {
    apr_table_setn(request->err_headers_out, "Retry-After", kRetrySeconds);
    const std::string message = "SLC0452: the metrics cannot be read: " + std::string(reading.status().message());
    return refuse(request, HTTP_SERVICE_UNAVAILABLE, message.c_str());
  }
  return respond(request, *answer, *reading);
}

}  // namespace

int handle_metrics(request_rec* request) noexcept {
  if (request->handler == nullptr || std::string_view(request->handler) != kMetricsHandlerName) return DECLINED;
  try {
    return serve(request);
  } catch (const std::exception& error) {
    return refuse(request, HTTP_INTERNAL_SERVER_ERROR,
                  apr_pstrcat(request->pool, "SLC0453: the metrics could not be written: ", error.what(), nullptr));
  }
}

}  // namespace sluice::apache
