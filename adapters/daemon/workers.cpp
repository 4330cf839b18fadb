// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/workers.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <exception>

#include "absl/strings/str_cat.h"
#include "adapters/daemon/exchange.hpp"
#include "adapters/wsgi/process/service.hpp"
#include "adapters/wsgi/python/forked_copy.hpp"
#include "sluice/clock.hpp"
#include "sluice/units.hpp"

namespace sluice::daemon {

namespace {

std::uint64_t seconds(int count) noexcept { return static_cast<std::uint64_t>(count) * kNsPerSecond; }

/// The time for the whole head of a request, however slowly it arrives. The server sends the head as soon as it is
/// connected, so a slower peer is not the server, and it occupies a thread.
constexpr int kHeadSeconds = 10;

std::uint64_t head_limit_ns(const DaemonOptions& options) noexcept {
  return seconds(options.socket_timeout > 0 ? std::min(options.socket_timeout, kHeadSeconds) : kHeadSeconds);
}

/// Returns the time that stop() may wait.
std::uint64_t stop_limit_ns(const DaemonOptions& options) noexcept {
  return options.shutdown_timeout > 0 ? std::min(seconds(options.shutdown_timeout) / 2, kNsPerSecond) : kNsPerSecond;
}

constexpr std::uint32_t kForbidden = 403;
constexpr std::uint32_t kNotFound = 404;
constexpr std::uint32_t kInternalServerError = 500;
constexpr std::uint32_t kServiceUnavailable = 503;
constexpr std::uint32_t kGatewayTimeout = 504;

/// The texts for the log, indexed by Workers::Refusal.
constexpr const char* kRefusalReasons[] = {
    "something else than a request arrived",
    "the head of the request did not arrive in time",
    "the request has no valid authentication code",
};

void answer(Channel& channel, std::uint32_t status) {
  static_cast<void>(channel.send(FrameType::kFailed, encode_failure(status)));
}

void refuse_for_now(Channel& channel) { static_cast<void>(channel.send(FrameType::kRetry)); }

/// Returns a variable of a request; empty when it has none of that name.
std::string_view variable_of(const RequestHead& head, std::string_view name) {
  const auto match = std::find_if(head.variables.begin(), head.variables.end(),
                                  [name](const auto& variable) { return variable.first == name; });
  return match != head.variables.end() ? match->second : std::string_view();
}

/// Returns the script that a request asks for. A changed script is left to a new process.
wsgi::ScriptRequest script_request(const RequestHead& head, wsgi::LoadListener& listener) {
  using enum wsgi::ScriptRequest::OnChange;
  const std::string_view file = variable_of(head, "SCRIPT_FILENAME");
  return {.path = std::string(head.script),
          .resource = std::string(file != head.script ? file : std::string_view()),
          .mtime_us = head.script_mtime_us,
          .on_change = head.script_reloading ? kLeave : kServe,
          .ask_before_ns = head.timestamps.queued_ns,
          .listener = &listener};
}

/// Whether WSGIIgnoreActivity applies to a request.
bool is_no_activity(const RequestHead& head) { return !variable_of(head, "mod_wsgi.ignore_activity").empty(); }

std::uint32_t status_of(wsgi::Outcome outcome, const SocketExchange& exchange) {
  if (outcome == wsgi::Outcome::kTimedOut) return kGatewayTimeout;
  if (outcome == wsgi::Outcome::kMissing) return kNotFound;
  if (outcome == wsgi::Outcome::kForbidden) return kForbidden;
  if (outcome == wsgi::Outcome::kUnavailable) return kServiceUnavailable;
  const int input_error = exchange.input_error();
  return input_error != 0 ? static_cast<std::uint32_t>(input_error) : kInternalServerError;
}

}  // namespace

Workers::Workers(Endpoint endpoint, wsgi::Runtime& runtime, ShutdownController& shutdown,
                 const wsgi::ServerFacts& facts)
    : endpoint_(endpoint),
      runtime_(runtime),
      shutdown_(shutdown),
      facts_(facts),
      stop_wait_ns_(stop_limit_ns(endpoint.options)) {
  // The thread that checks the limits reads the elements while start() creates the threads, so all are there before.
  for (int i = 0; i < endpoint_.options.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    workers_.back()->all = this;
  }
}

void Workers::log(LogLevel level, const std::string& line) const noexcept { runtime_.host().log(level, line); }

bool Workers::start() {
  if (!DeadlineWatcher::start()) {
    log(LogLevel::kError,
        absl::StrCat("SLC0501: daemon process '", endpoint_.options.name,
                     "' serves nothing, because the thread that enforces deadlines cannot be started"));
    return false;
  }
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  if (endpoint_.options.stack_size > 0) {
    const auto size = static_cast<std::size_t>(endpoint_.options.stack_size);
    if (::pthread_attr_setstacksize(&attributes, size) != 0) {
      log(LogLevel::kWarning, absl::StrCat("SLC0502: the system does not allow a stack of ", size,
                                           " bytes (option stack-size); threads have the default size"));
    }
  }
  std::size_t created = 0;
  for (const auto& worker : workers_) {
    if (::pthread_create(&worker->thread, &attributes, run, worker.get()) != 0) break;
    worker->joined = false;
    ++created;
  }
  ::pthread_attr_destroy(&attributes);
  if (created == workers_.size()) return true;
  log(LogLevel::kError, absl::StrCat("SLC0503: daemon process '", endpoint_.options.name, "' ends, because only ",
                                     created, " of ", workers_.size(), " threads could be created"));
  return false;
}

Workers::InFlight::InFlight(Workers& workers, Worker& worker, std::uint64_t dispatched_ns) noexcept
    : workers_(workers), worker_(worker), dispatched_ns_(dispatched_ns) {
  workers_.active_.fetch_add(1, std::memory_order_acq_rel);
  worker_.start_ns.store(dispatched_ns, std::memory_order_release);
  workers_.begin_activity(dispatched_ns);
}

Workers::InFlight::~InFlight() {
  worker_.start_ns.store(0, std::memory_order_release);
  if (is_activity_) workers_.last_active_ns_.store(monotonic_ns(), std::memory_order_relaxed);
  workers_.active_.fetch_sub(1, std::memory_order_acq_rel);
}

/// Starts the inactivity timeout with the first request. One that is ignored starts it, too, but does not restart it.
void Workers::begin_activity(std::uint64_t now_ns) noexcept {
  std::uint64_t none = 0;
  // Relaxed, because the instant publishes no other memory. The load keeps later requests from writing.
  if (last_active_ns_.load(std::memory_order_relaxed) != 0) return;
  last_active_ns_.compare_exchange_strong(none, now_ns, std::memory_order_relaxed);
}

/// Joins the threads that have ended and signals those that serve no request. Returns false when no thread of the
/// second kind is left.
bool Workers::end_idle() noexcept {
  bool idle = false;
  for (const auto& worker : workers_) {
    if (worker->joined) continue;
    if (worker->ended.load(std::memory_order_acquire)) {
      ::pthread_join(worker->thread, nullptr);
      worker->joined = true;
    } else if (worker->start_ns.load(std::memory_order_acquire) == 0) {
      ::pthread_kill(worker->thread, SIGURG);
      idle = true;
    }
  }
  return idle;
}

void Workers::stop() noexcept {
  // A signal that arrives just before a thread blocks in accept() has no effect, so it is repeated. The wait is
  // bounded, because a thread may be reading a head that never arrives, or have blocked the signal. A thread that is
  // left behind serves no more requests, because dispatch() refuses them once the process is closing.
  constexpr timespec kMoment = {0, 1'000'000};
  DeadlineWatcher::repair_signal();
  const std::uint64_t begun_ns = monotonic_ns();
  while (end_idle() && monotonic_ns() - begun_ns < stop_wait_ns_) ::nanosleep(&kMoment, nullptr);
  stop_wait_ns_ -= std::min(stop_wait_ns_, monotonic_ns() - begun_ns);
}

int Workers::older_than(std::uint64_t limit_ns, std::uint64_t now_ns) const noexcept {
  // A request is counted in active_ before its start is stored, and its start is removed before it is not counted any
  // more, so the result never exceeds active_ by a request that has just begun or ended.
  return static_cast<int>(std::count_if(workers_.begin(), workers_.end(), [&](const auto& worker) {
    const std::uint64_t start_ns =
        worker->start_ns.load(std::memory_order_relaxed);  // an estimate suffices, so relaxed
    return start_ns != 0 && now_ns > start_ns && now_ns - start_ns >= limit_ns;
  }));
}

OverdueRequest Workers::overdue(const RequestLimits& limits, std::uint64_t now_ns, OverdueAction& action) noexcept {
  action = OverdueAction::kNone;
  for (const auto& worker : workers_) {
    // Relaxed, because an estimate suffices: the request is checked again before it is interrupted.
    const std::uint64_t start_ns = worker->start_ns.load(std::memory_order_relaxed);
    if (start_ns == 0 || now_ns < start_ns || now_ns - start_ns < limits.request_ns) continue;
    const OverdueRequest request{&worker->interruptible, start_ns, static_cast<unsigned long>(worker->thread)};
    if (limits.interrupt_ns != 0 && worker->interrupted_start_ns != start_ns) {
      worker->interrupted_start_ns = start_ns;
      worker->interrupted_ns = now_ns;
      action = OverdueAction::kInterrupt;
      return request;
    }
    if (limits.interrupt_ns != 0 && now_ns - worker->interrupted_ns < limits.interrupt_ns) continue;
    action = OverdueAction::kReplaceProcess;
    return request;
  }
  return {};
}

void* Workers::run(void* worker) noexcept {
  auto& self = *static_cast<Worker*>(worker);
  try {
    self.all->serve_all(self);
  } catch (const std::exception& error) {
    self.all->log(LogLevel::kError,
                  absl::StrCat("SLC0504: a worker thread of daemon process '", self.all->endpoint_.options.name,
                               "' ends, and serves no more requests: ", error.what()));
  }
  self.ended.store(true, std::memory_order_release);
  return nullptr;
}

void Workers::serve_all(Worker& worker) {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  while (!shutdown_.closing()) {
    wsgi::ForkedCopy::end_if_this();
    const int socket = accept();
    if (socket < 0) continue;
    bool served = false;
    try {
      served = serve(socket, thread, worker);
    } catch (const std::exception& error) {
      log(LogLevel::kError, absl::StrCat("SLC0505: daemon process '", endpoint_.options.name,
                                         "' dropped a request: ", error.what(), "; the client gets an error"));
    }
    const int limit = endpoint_.options.maximum_requests;
    if (limit > 0 && served && served_.fetch_add(1, std::memory_order_relaxed) + 1 == limit) {
      reach_maximum(ShutdownController::Stop::kDrain);
    }
  }
  thread.end(runtime_.running());
}

void Workers::reach_maximum(ShutdownController::Stop how) {
  if (!maximum_reached_.exchange(true, std::memory_order_relaxed)) {
    log(LogLevel::kInfo, absl::StrCat("SLC0506: maximum requests reached in daemon process '", endpoint_.options.name,
                                      "'; it is replaced"));
  }
  shutdown_.stop(how, "maximum_requests");
}

/// Counts a request. Returns false when the process has begun its maximum number of requests and a tenth more, because
/// a busy process never has a moment without requests at which it could be replaced.
bool Workers::admit() {
  const int limit = endpoint_.options.maximum_requests;
  if (limit == 0) return true;
  constexpr int kShareOfExcess = 10;
  const std::int64_t most = static_cast<std::int64_t>(limit) + limit / kShareOfExcess;
  // Relaxed, because the count publishes no other memory; each request has a number of its own.
  if (begun_.fetch_add(1, std::memory_order_relaxed) < most) return true;
  reach_maximum(ShutdownController::Stop::kClose);
  return false;
}

int Workers::accept() noexcept {
  const int socket = ::accept4(endpoint_.listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket >= 0) return socket;
  const int error = errno;
  if (error == EAGAIN) {
    wait_for_connection();
  } else if (error != EINTR && error != ECONNABORTED) {
    if (ListenerCheck::is_lost(error)) {
      shutdown_.lose_listener("connections cannot be accepted from its descriptor");
    } else if (const std::uint64_t count = accept_failures_.count(); count > 0) {
      // Most likely a lack of descriptors or memory, which will be released by requests in flight.
      log(LogLevel::kError,
          absl::StrCat("SLC0507: daemon process '", endpoint_.options.name, "' could not accept a connection, ", count,
                       " time(s): ", std::strerror(error), "; requests wait; look for too many open files"));
    }
    const timespec moment = {0, 100'000'000};
    ::nanosleep(&moment, nullptr);
  }
  return -1;
}

/// Repairs a listener whose accept() has returned without a connection, because an application has made it
/// non-blocking. poll() keeps the thread asleep even if the application does so again at once.
void Workers::wait_for_connection() noexcept {
  const bool repaired = restore_blocking(endpoint_.listener);
  // One thread finds the flag set; the other threads that wake up find it cleared, and log nothing.
  if (const std::uint64_t count = repaired ? listener_repairs_.count() : 0; count > 0) {
    log(LogLevel::kWarning,
        absl::StrCat("SLC0508: daemon process '", endpoint_.options.name, "' found its listening socket non-blocking ",
                     count,
                     " time(s) and made it blocking again; the application must not change descriptors of the server"));
  }
  pollfd listener = {.fd = endpoint_.listener, .events = POLLIN, .revents = 0};
  ::poll(&listener, 1, -1);
}

void Workers::set_buffer_sizes(int socket) const noexcept {
  if (const int bytes = endpoint_.options.send_buffer_size; bytes > 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  if (const int bytes = endpoint_.options.receive_buffer_size; bytes > 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
}

void Workers::log_refusal(Refusal refusal) {
  const auto index = static_cast<std::size_t>(refusal);
  const std::uint64_t count = refusals_[index].count();
  if (count == 0) return;
  log(LogLevel::kError, absl::StrCat("SLC0509: daemon process '", endpoint_.options.name, "' closed ", count,
                                     " connection(s) without an answer: ", kRefusalReasons[index],
                                     "; only this server may connect; look for other programs that run as its user"));
}

/// Reads the head of a request. Empty when there was none, which is logged. A connection that was closed early is not
/// logged, because the server may abandon a request.
std::optional<std::string> Workers::read_head(Channel& channel) {
  const absl::StatusOr<Frame> frame = channel.next();
  absl::Status status = frame.status();
  if (frame.ok() && frame->type != FrameType::kRequest) status = absl::DataLossError("not a request");
  if (status.ok()) {
    absl::StatusOr<std::string> payload = channel.read(frame->size);
    if (payload.ok()) return *std::move(payload);
    status = payload.status();
  }
  if (absl::IsDataLoss(status)) log_refusal(Refusal::kNoRequest);
  if (absl::IsDeadlineExceeded(status)) log_refusal(Refusal::kLate);
  return std::nullopt;
}

Workers::Origin Workers::origin_of(std::string_view payload) const noexcept {
  const std::uint64_t generation = generation_of(payload);
  if (const RequestKey* const key = endpoint_.keys.find(generation)) {
    return verify(*key, payload) ? Origin::kServer : Origin::kUnknown;
  }
  // The request was signed under a newer configuration than this process has, so the processes of that generation serve
  // it.
  const std::uint64_t newest = endpoint_.keys.newest();
  return generation > newest && generation - newest < KeyRing::kGenerations ? Origin::kNewerServer : Origin::kUnknown;
}

bool Workers::serve(int socket, wsgi::ThreadContext& thread, Worker& worker) {
  std::optional<InFlight> request;  // destroyed after the channel, so it covers the closing of the connection
  Channel channel(socket, Sender::kServer, endpoint_.options.socket_timeout);
  set_buffer_sizes(socket);
  channel.end_at(monotonic_ns() + head_limit_ns(endpoint_.options));
  const std::optional<std::string> payload = read_head(channel);
  if (!payload) return false;
  const Origin origin = origin_of(*payload);
  if (origin == Origin::kUnknown) log_refusal(Refusal::kNoCode);
  const bool admitted = origin == Origin::kServer && admit();
  if (origin == Origin::kNewerServer || (origin == Origin::kServer && !admitted)) refuse_for_now(channel);
  if (!admitted) return false;
  request.emplace(*this, worker, monotonic_ns());
  dispatch(channel, *payload, *request, thread);
  return true;
}

/// Serves an authenticated request.
void Workers::dispatch(Channel& channel, std::string_view payload, InFlight& request, wsgi::ThreadContext& thread) {
  const std::uint64_t dispatched_ns = request.dispatched_ns();
  channel.end_at(dispatched_ns + seconds(endpoint_.options.exchange_timeout));
  RequestHead head;
  if (!decode(payload, head)) {
    log(LogLevel::kError,
        "SLC0510: a signed request cannot be decoded and was answered with 500; restart the server, because its "
        "processes may be of different versions");
    return answer(channel, kInternalServerError);
  }
  if (endpoint_.options.inactivity_timeout > 0 && is_no_activity(head)) request.ignore_activity();
  // The request was accepted while the process began to end, so another process serves it.
  if (outdated_.load(std::memory_order_relaxed) || shutdown_.closing()) return refuse_for_now(channel);
  head.timestamps.dispatched_ns = dispatched_ns;
  const int limit = endpoint_.options.queue_timeout;
  const std::uint64_t accepted_ns = head.timestamps.accepted_ns;
  if (limit > 0 && dispatched_ns > accepted_ns && dispatched_ns - accepted_ns > seconds(limit)) {
    log(LogLevel::kError, absl::StrCat("SLC0511: queue timeout exceeded for a request to daemon process '",
                                       endpoint_.options.name, "'; the request was answered with 504"));
    return answer(channel, kGatewayTimeout);
  }
  serve_request(channel, head, request.worker(), thread);
}

void Workers::serve_request(Channel& channel, const RequestHead& head, Worker& worker, wsgi::ThreadContext& thread) {
  SocketExchange exchange(channel, head, runtime_.host());
  const wsgi::DispatchedRequest dispatched{.application_group = std::string(head.application_group),
                                           .callable = std::string(head.callable),
                                           .script = script_request(head, shutdown_),
                                           .timestamps = head.timestamps,
                                           .daemon_tries = head.tries,
                                           .server_pid = static_cast<pid_t>(head.server_pid),
                                           .interruptible = &worker.interruptible};
  const wsgi::Outcome outcome = wsgi::serve(runtime_, thread, exchange, dispatched, facts_);
  exchange.flush_log();
  if (outcome == wsgi::Outcome::kResponded) {
    shutdown_.served();
  } else if (outcome == wsgi::Outcome::kOutdated) {
    if (!outdated_.exchange(true, std::memory_order_relaxed)) {
      log(LogLevel::kInfo, absl::StrCat("SLC0512: WSGI script '", std::string(head.script),
                                        "' has changed; daemon process '", endpoint_.options.name, "' is replaced"));
    }
    shutdown_.stop(ShutdownController::Stop::kClose, "script_reload");
    refuse_for_now(channel);
  } else {
    answer(channel, status_of(outcome, exchange));
  }
}

}  // namespace sluice::daemon
