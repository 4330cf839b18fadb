#include "adapters/apache/daemon_client.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <string>

#include "adapters/apache/daemon_session.hpp"
#include "adapters/daemon/authentication.hpp"
#include "adapters/daemon/wire.hpp"
#include "sluice/clock.hpp"

namespace sluice::apache {

using daemon::Channel;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
/// Processes that are about to end may each be met once, and again while they are.
constexpr int kTriesMax = 1000;
/// Processes that may end while they take a request. One that ends each time it takes one is not replaced for ever.
constexpr std::uint32_t kUnreadTriesMax = 3;

std::uint64_t seconds(int count) noexcept { return static_cast<std::uint64_t>(count) * kSecond; }

/// The part of the body that has arrived, which goes along with the head.
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

/// When the script was changed last: a process that was made meanwhile may have loaded a newer one.
std::int64_t modified_us(request_rec* request) {
  apr_finfo_t found;
  const apr_status_t status = apr_stat(&found, request->filename, APR_FINFO_MTIME, request->pool);
  return status == APR_SUCCESS ? found.mtime : request->finfo.mtime;
}

/// Encodes and signs the head. Empty, with a line in the log, when it is too large.
std::optional<std::string> signed_request(request_rec* request, const DaemonGroup& group,
                                          const daemon::RequestHead& head) {
  std::optional<std::string> payload = daemon::encode(head);
  if (!payload) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "The request for daemon process '%s' is refused, because its variables take more than %u bytes or "
                  "are more than %u; lower LimitRequestFields, LimitRequestFieldSize or LimitRequestLine",
                  group.group.name, daemon::kRequestMax, daemon::kVariablesMax);
    return std::nullopt;
  }
  daemon::sign(*group.keys->find(head.generation), *payload);
  return payload;
}

/// One attempt on a connection of its own.
DaemonSession::Answer ask(request_rec* request, const DaemonGroup& group, ApacheExchange& exchange,
                          const daemon::RequestHead& head, std::string_view payload, std::uint64_t end_ns) {
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, errno, request,
                  "No socket can be made for daemon process '%s'; the request was answered with 503", group.group.name);
    return {.again = false, .status = HTTP_SERVICE_UNAVAILABLE};
  }
  Channel channel(descriptor, daemon::Sender::kDaemon, group.group.socket_timeout);
  channel.end_at(end_ns);
  const absl::Status connected = channel.connect(group.socket, monotonic_ns() + seconds(group.group.connect_timeout));
  if (!connected.ok()) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "Unable to connect to daemon process '%s' on '%s': %s; the request was answered with 503",
                  group.group.name, group.socket, std::string(connected.message()).c_str());
    return {.again = false, .status = HTTP_SERVICE_UNAVAILABLE};
  }
  const bool body_ended = !head.has_body || head.body_whole;
  return DaemonSession(request, group.group.name, exchange, channel, body_ended)
      .run(payload, head.tries <= kUnreadTriesMax);
}

}  // namespace

int serve_in_daemon(request_rec* request, const DaemonGroup& group, ApacheExchange& exchange,
                    const wsgi::DispatchedRequest& dispatched) {
  if (group.keys == nullptr || group.keys->newest() == 0) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "There is no key for daemon process '%s'; the request was answered with 503", group.group.name);
    return HTTP_SERVICE_UNAVAILABLE;
  }
  if (!daemon::DeadlineWatcher::start()) {
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request,
                  "The thread that watches over deadlines cannot be made; the request was answered with 503");
    return HTTP_SERVICE_UNAVAILABLE;
  }
  const std::string client = std::string(request->useragent_ip) + ":" + std::to_string(request->useragent_addr->port);
  daemon::RequestHead head{.generation = group.keys->newest(),
                           .accepted_ns = dispatched.timestamps.accepted_ns,
                           .queued_ns = 0,
                           .script_mtime_us = dispatched.script.mtime_us,
                           .server_pid = static_cast<std::uint32_t>(::getpid()),
                           .tries = 0,
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
  exchange.merge_repeated_fields();
  const ArrivedBody arrived(exchange, head);
  head.queued_ns = monotonic_ns();
  const std::uint64_t end_ns = head.queued_ns + seconds(group.group.exchange_timeout);
  for (int tries = 0; tries < kTriesMax && monotonic_ns() < end_ns; ++tries) {
    head.tries = static_cast<std::uint32_t>(tries) + 1;
    if (tries > 0) head.script_mtime_us = modified_us(request);
    const std::optional<std::string> payload = signed_request(request, group, head);
    if (!payload) return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    const DaemonSession::Answer answer = ask(request, group, exchange, head, *payload, end_ns);
    if (!answer.again) return answer.status;
    ::usleep(static_cast<useconds_t>(std::min(tries, 10)) * 1'000);
  }
  ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, request, "No daemon process of '%s' takes the request", group.group.name);
  return HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace sluice::apache
