// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/request/daemon_client.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "adapters/apache/request/daemon_session.hpp"
#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/wire.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::apache {

using daemon::Channel;

namespace {

/// The number of attempts. Each process that is about to end may refuse a request, also more than once.
constexpr int kTriesMax = 1000;
/// The number of processes that may end while they read a request. More attempts would end one process after the other
/// when the request itself is the cause.
constexpr int kUnreadTriesMax = 3;

std::uint64_t seconds(int count) noexcept { return static_cast<std::uint64_t>(count) * kNsPerSecond; }

/// The part of the request body that has arrived, which is sent with the head.
class ArrivedBody {
 public:
  ArrivedBody(ApacheExchange& exchange, daemon::RequestHead& head) {
    head.has_body = exchange.has_body();
    if (!head.has_body) return;
    buffer_ = std::make_unique_for_overwrite<char[]>(daemon::kPieceMax);
    const Arrived arrived = read_arrived_body(exchange, {buffer_.get(), daemon::kPieceMax});
    head.body_whole = arrived.whole;
    head.body = {buffer_.get(), arrived.size};
  }

 private:
  std::unique_ptr<char[]> buffer_;
};

/// Returns the time of the last change of the script, read again because a new process may have loaded a newer file.
std::int64_t modified_us(request_rec* request, const wsgi::ScriptRequest& script) {
  apr_finfo_t info;
  const apr_status_t status = apr_stat(&info, script.path.c_str(), APR_FINFO_MTIME, request->pool);
  return status == APR_SUCCESS ? info.mtime : script.mtime_us;
}

/// Returns the levels whose lines the log takes for the request.
std::uint32_t log_levels_of(const ApacheExchange& exchange) noexcept {
  using enum LogLevel;
  std::uint32_t levels = 0;
  for (const LogLevel level : {kError, kWarning, kInfo, kDebug, kCritical}) {
    if (exchange.logs(level)) levels |= daemon::log_level_bit(level);
  }
  return levels;
}

/// Encodes and signs the head. Empty when it is too large, which is logged.
std::optional<std::string> signed_request(request_rec* request, const DaemonGroup& group,
                                          const daemon::RequestHead& head) {
  std::optional<std::string> payload = daemon::encode(head);
  if (!payload) {
    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, 0, request,
        "SLC0415: the request for daemon process '%s' was answered with 431, because its variables take more than %u "
        "bytes or are more than %u; lower LimitRequestFields, LimitRequestFieldSize or LimitRequestLine",
        group.options.name, daemon::kRequestMax, daemon::kVariablesMax);
    return std::nullopt;
  }
  daemon::sign(*group.keys->find(head.generation), *payload);
  return payload;
}

/// One attempt to have a process serve the request.
struct Attempt {
  std::string_view payload;
  bool body_ended;       ///< No more of the body follows the payload.
  bool again_if_unread;  ///< Another attempt may follow if the process ends before it has read the request.
  std::uint64_t end_ns;
};

/// Makes one attempt, on a connection of its own.
DaemonSession::Answer ask(request_rec* request, const DaemonGroup& group, ApacheExchange& exchange,
                          const Attempt& attempt) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, request,
                  "SLC0416: cannot create a socket for daemon process '%s'; the request was answered with 503",
                  group.options.name);
    return {.again = false, .status = HTTP_SERVICE_UNAVAILABLE};
  }
  Channel channel(descriptor, daemon::Sender::kDaemon, group.options.socket_timeout);
  channel.end_at(attempt.end_ns);
  const absl::Status connected = channel.connect(group.socket, monotonic_ns() + seconds(group.options.connect_timeout));
  if (!connected.ok()) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "SLC0417: unable to connect to daemon process '%s' on '%s': %s; the request was answered with 503",
                  group.options.name, group.socket, std::string(connected.message()).c_str());
    return {.again = false, .status = HTTP_SERVICE_UNAVAILABLE};
  }
  DaemonSession session(request, group.options.name, exchange, channel, attempt.body_ended);
  session.set_flush_delay(group.options.response_flush_delay);
  session.set_write_limit(group.options.response_socket_timeout);
  return session.run(attempt.payload, attempt.again_if_unread);
}

}  // namespace

int serve_in_daemon(request_rec* request, const Target& target, const DaemonGroup& group, ApacheExchange& exchange,
                    const wsgi::DispatchedRequest& dispatched) {
  set_variables(request, target);
  if (group.keys == nullptr || group.keys->newest() == 0) {
    ap_log_rerror(
        APLOG_MARK, APLOG_ERR, 0, request,
        "SLC0418: there is no key to sign requests for daemon process '%s'; the request was answered with 503",
        group.options.name);
    return HTTP_SERVICE_UNAVAILABLE;
  }
  if (!daemon::DeadlineWatcher::start()) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "SLC0419: cannot start the thread that enforces deadlines; the request was answered with 503");
    return HTTP_SERVICE_UNAVAILABLE;
  }
  const std::string client = std::string(request->useragent_ip) + ":" + std::to_string(request->useragent_addr->port);
  daemon::RequestHead head{.generation = group.keys->newest(),
                           .timestamps = dispatched.timestamps,
                           .script_mtime_us = dispatched.script.mtime_us,
                           .server_pid = static_cast<std::uint32_t>(::getpid()),
                           .tries = 0,
                           .log_levels = log_levels_of(exchange),
                           .script_reloading = dispatched.script.reloads(),
                           .https = exchange.https(),
                           .head_only = request->header_only != 0,
                           .application_group = dispatched.application_group,
                           .callable = dispatched.callable,
                           .script = dispatched.script.path,
                           .id = exchange.id(),
                           .client = client,
                           .body = {},
                           .variables = {}};
  exchange.each_variable(
      [&](std::string_view key, std::string_view value) { head.variables.emplace_back(key, value); });
  exchange.merge_with_other_fields();
  const ArrivedBody arrived(exchange, head);
  head.timestamps.queued_ns = monotonic_ns();
  const std::uint64_t end_ns = head.timestamps.queued_ns + seconds(group.options.exchange_timeout);
  const bool body_ended = !head.has_body || head.body_whole;
  int unread = 0;
  for (int tries = 0; tries < kTriesMax && monotonic_ns() < end_ns; ++tries) {
    head.tries = static_cast<std::uint32_t>(tries) + 1;
    if (tries > 0) head.script_mtime_us = modified_us(request, dispatched.script);
    const std::optional<std::string> payload = signed_request(request, group, head);
    if (!payload) return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    const Attempt attempt{
        .payload = *payload, .body_ended = body_ended, .again_if_unread = unread < kUnreadTriesMax, .end_ns = end_ns};
    const DaemonSession::Answer answer = ask(request, group, exchange, attempt);
    if (!answer.redirect.empty()) redirect(request, answer.redirect);
    if (!answer.again) return answer.status;
    unread += answer.unread ? 1 : 0;
    ::usleep(static_cast<useconds_t>(std::min(tries, 10)) * 1'000);
  }
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                "SLC0420: no daemon process of '%s' accepted the request within its exchange timeout; the request was "
                "answered with 503",
                group.options.name);
  return HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace sluice::apache
