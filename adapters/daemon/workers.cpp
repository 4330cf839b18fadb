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

namespace sluice::daemon {

using bindings::LogLevel;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

std::uint64_t seconds(int count) noexcept { return static_cast<std::uint64_t>(count) * kSecond; }

/// The server sends the head of a request as soon as it is connected. Whoever takes longer for all of it, however it
/// trickles in, is not the server, and holds a thread until then.
constexpr int kHeadSeconds = 10;

std::uint64_t head_limit_ns(const Group& group) noexcept {
  return seconds(group.socket_timeout > 0 ? std::min(group.socket_timeout, kHeadSeconds) : kHeadSeconds);
}

/// The time that stop() may wait.
std::uint64_t stop_limit_ns(const Group& group) noexcept {
  return group.shutdown_timeout > 0 ? std::min(seconds(group.shutdown_timeout) / 2, kSecond) : kSecond;
}

/// A module that wants a new process every time is not asked again for the same request from then on.
constexpr std::uint32_t kTriesToAsk = 3;

constexpr std::uint32_t kForbidden = 403;
constexpr std::uint32_t kNotFound = 404;
constexpr std::uint32_t kInternalServerError = 500;
constexpr std::uint32_t kServiceUnavailable = 503;
constexpr std::uint32_t kGatewayTimeout = 504;

/// The events that lead to a refusal, in the order of Workers::Refusal.
constexpr const char* kRefusalReasons[] = {
    "something else than a request arrived",
    "the head of the request did not arrive in time",
    "the request has no valid authentication code",
};

void answer(Channel& channel, std::uint32_t status) {
  const std::string payload = encode_failure(status);
  const FrameHeader frame = frame_header(FrameType::kFailed, payload.size());
  static_cast<void>(channel.send({bytes_of(frame), payload}));
}

void refuse_for_now(Channel& channel) {
  const FrameHeader frame = frame_header(FrameType::kRetry, 0);
  static_cast<void>(channel.send({bytes_of(frame)}));
}

/// A new process takes a script that has changed.
wsgi::ScriptRequest script_request(const RequestHead& head) {
  using enum wsgi::ScriptRequest::OnChange;
  return {.path = std::string(head.script),
          .mtime_us = head.script_mtime_us,
          .on_change = head.script_reloading ? kLeave : kServe,
          .ask_module = head.tries <= kTriesToAsk};
}

std::uint32_t status_of(wsgi::Outcome outcome, const SocketExchange& exchange) {
  if (outcome == wsgi::Outcome::kTimedOut) return kGatewayTimeout;
  if (outcome == wsgi::Outcome::kMissing) return kNotFound;
  if (outcome == wsgi::Outcome::kForbidden) return kForbidden;
  if (outcome == wsgi::Outcome::kUnavailable) return kServiceUnavailable;
  const int input_error = exchange.input_error();
  return input_error != 0 ? static_cast<std::uint32_t>(input_error) : kInternalServerError;
}

}  // namespace

Workers::Workers(Place place, wsgi::Runtime& runtime, Lifetime& lifetime, const wsgi::ServerFacts& facts)
    : place_(place),
      runtime_(runtime),
      lifetime_(lifetime),
      facts_(facts),
      stop_wait_ns_(stop_limit_ns(place.group)),
      last_active_ns_(monotonic_ns()) {}

void Workers::log(LogLevel level, const std::string& line) const noexcept { runtime_.host().log(level, line); }

bool Workers::start() {
  if (!DeadlineWatcher::start()) {
    log(LogLevel::kError, absl::StrCat("The thread that watches over deadlines cannot be made in daemon process '",
                                       place_.group.name, "', which therefore serves nothing."));
    return false;
  }
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  if (place_.group.stack_size > 0) {
    const auto size = static_cast<std::size_t>(place_.group.stack_size);
    if (::pthread_attr_setstacksize(&attributes, size) != 0) {
      log(LogLevel::kWarning,
          absl::StrCat("The system does not allow a stack of ", size, " bytes; its default is used."));
    }
  }
  for (int i = 0; i < place_.group.threads; ++i) {
    auto worker = std::make_unique<Worker>();
    worker->all = this;
    if (const int error = ::pthread_create(&worker->thread, &attributes, run, worker.get()); error != 0) {
      log(LogLevel::kError, absl::StrCat("Only ", i, " of ", place_.group.threads,
                                         " threads could be made for daemon process '", place_.group.name, "'."));
      break;
    }
    workers_.push_back(std::move(worker));
  }
  ::pthread_attr_destroy(&attributes);
  return workers_.size() == static_cast<std::size_t>(place_.group.threads);
}

Workers::InFlight::InFlight(Workers& workers, Worker& worker, std::uint64_t dispatched_ns) noexcept
    : workers_(workers), worker_(worker) {
  workers_.active_.fetch_add(1, std::memory_order_acq_rel);
  worker_.start_ns.store(dispatched_ns, std::memory_order_release);
}

Workers::InFlight::~InFlight() {
  worker_.start_ns.store(0, std::memory_order_release);
  workers_.last_active_ns_.store(monotonic_ns(), std::memory_order_relaxed);
  workers_.active_.fetch_sub(1, std::memory_order_acq_rel);
}

/// Joins the threads that have ended and signals those that serve no request. False when there are none of these.
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
  // A signal that comes just before a thread goes to sleep in accept() is in vain, so it is repeated. The wait has a
  // bound, because a thread may be in a connection that proves nothing, or have blocked the signal. A thread that is
  // left behind serves nothing more: dispatch() gives a request back once the process is closing.
  constexpr timespec kMoment = {0, 1'000'000};
  DeadlineWatcher::repair_signal();
  const std::uint64_t begun_ns = monotonic_ns();
  while (end_idle() && monotonic_ns() - begun_ns < stop_wait_ns_) ::nanosleep(&kMoment, nullptr);
  stop_wait_ns_ -= std::min(stop_wait_ns_, monotonic_ns() - begun_ns);
}

const Workers::Worker* Workers::oldest() const noexcept {
  const Worker* found = nullptr;
  std::uint64_t oldest_ns = UINT64_MAX;
  for (const auto& worker : workers_) {
    const std::uint64_t start_ns = worker->start_ns.load(std::memory_order_relaxed);  // a guess is enough
    if (start_ns == 0 || start_ns >= oldest_ns) continue;
    oldest_ns = start_ns;
    found = worker.get();
  }
  return found;
}

std::uint64_t Workers::oldest_start_ns() const noexcept {
  const Worker* const worker = oldest();
  return worker != nullptr ? worker->start_ns.load(std::memory_order_relaxed) : 0;
}

unsigned long Workers::oldest_thread() const noexcept {
  const Worker* const worker = oldest();
  return worker != nullptr ? static_cast<unsigned long>(worker->thread) : 0;
}

void* Workers::run(void* worker) noexcept {
  auto& self = *static_cast<Worker*>(worker);
  try {
    self.all->serve_all(self);
  } catch (const std::exception& error) {
    self.all->log(LogLevel::kError, absl::StrCat("A thread of the daemon process ends: ", error.what(), "."));
  }
  self.ended.store(true, std::memory_order_release);
  return nullptr;
}

void Workers::serve_all(Worker& worker) {
  wsgi::ThreadContext thread(runtime_.host().recorder());
  while (!lifetime_.closing()) {
    wsgi::ForkedCopy::end_if_this();
    const int socket = accept();
    if (socket < 0) continue;
    bool authentic = false;
    try {
      authentic = serve(socket, thread, worker);
    } catch (const std::exception& error) {
      log(LogLevel::kError, absl::StrCat("A request cannot be served: ", error.what(), "."));
    }
    const int limit = place_.group.maximum_requests;
    if (limit > 0 && authentic && served_.fetch_add(1, std::memory_order_relaxed) + 1 == limit) {
      log(LogLevel::kInfo, absl::StrCat("Maximum requests reached in daemon process '", place_.group.name, "'."));
      lifetime_.stop(Lifetime::Stop::kDrain, "maximum_requests");
    }
  }
  thread.end(runtime_.running());
}

int Workers::accept() noexcept {
  const int socket = ::accept4(place_.listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (socket >= 0) return socket;
  const int error = errno;
  if (error == EAGAIN) {
    wait_for_connection();
  } else if (error != EINTR && error != ECONNABORTED) {
    if (ListenerCheck::is_lost(error)) {
      lifetime_.lose_listener("connections cannot be accepted from its descriptor");
    } else if (const std::uint64_t count = accept_failures_.count(); count > 0) {
      // Out of descriptors or memory, most likely: those that are in use will come back.
      log(LogLevel::kError,
          absl::StrCat("Daemon process '", place_.group.name, "' could not accept a connection, ", count,
                       " time(s): ", std::strerror(error), ". Requests wait; look for too many open files."));
    }
    const timespec moment = {0, 100'000'000};
    ::nanosleep(&moment, nullptr);
  }
  return -1;
}

/// Repairs a listener whose accept() has returned without a connection, which only an application can have caused. The
/// poll() keeps the threads asleep even if an application sets the flag again at once.
void Workers::wait_for_connection() noexcept {
  const bool repaired = restore_blocking(place_.listener);
  // One thread finds the change; the others that it woke find nothing.
  if (const std::uint64_t count = repaired ? listener_repairs_.count() : 0; count > 0) {
    log(LogLevel::kWarning,
        absl::StrCat("Daemon process '", place_.group.name, "' found its listening socket non-blocking ", count,
                     " time(s) and made it blocking again. An application must not change descriptors of the server."));
  }
  pollfd listener = {.fd = place_.listener, .events = POLLIN, .revents = 0};
  ::poll(&listener, 1, -1);
}

void Workers::set_buffer_sizes(int socket) const noexcept {
  if (const int bytes = place_.group.send_buffer_size; bytes > 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  if (const int bytes = place_.group.receive_buffer_size; bytes > 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  }
}

void Workers::log_refusal(Refusal refusal) {
  const auto index = static_cast<std::size_t>(refusal);
  const std::uint64_t count = refusals_[index].count();
  if (count == 0) return;
  log(LogLevel::kError, absl::StrCat("Daemon process '", place_.group.name, "' closed ", count,
                                     " connection(s) without an answer: ", kRefusalReasons[index],
                                     ". Only this server may connect; look for other programs that run as its user."));
}

/// Empty when the connection did not begin with a whole head. One that its client closed early is no event, because the
/// server gives requests up.
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
  if (const RequestKey* const key = place_.keys.find(generation)) {
    return verify(*key, payload) ? Origin::kServer : Origin::kUnknown;
  }
  // A configuration that is newer than this process: its requests are for the processes that were made with it.
  const std::uint64_t newest = place_.keys.newest();
  return generation > newest && generation - newest < KeyRing::kGenerations ? Origin::kNewerServer : Origin::kUnknown;
}

bool Workers::serve(int socket, wsgi::ThreadContext& thread, Worker& worker) {
  std::optional<InFlight> request;  // ends after the connection is closed
  Channel channel(socket, Sender::kServer, place_.group.socket_timeout);
  set_buffer_sizes(socket);
  channel.end_at(monotonic_ns() + head_limit_ns(place_.group));
  const std::optional<std::string> payload = read_head(channel);
  if (!payload) return false;
  const Origin origin = origin_of(*payload);
  if (origin == Origin::kUnknown) log_refusal(Refusal::kNoCode);
  if (origin == Origin::kNewerServer) refuse_for_now(channel);
  if (origin != Origin::kServer) return false;
  const std::uint64_t dispatched_ns = monotonic_ns();
  request.emplace(*this, worker, dispatched_ns);
  dispatch(channel, *payload, dispatched_ns, thread);
  return true;
}

/// Serves a request that is known to come from the server.
void Workers::dispatch(Channel& channel, std::string_view payload, std::uint64_t dispatched_ns,
                       wsgi::ThreadContext& thread) {
  channel.end_at(dispatched_ns + seconds(place_.group.exchange_timeout));
  RequestHead head;
  if (!decode(payload, head)) {
    log(LogLevel::kError, "A request of the server cannot be understood.");
    return answer(channel, kInternalServerError);
  }
  // Accepted while the process began to end: as well served by the next.
  if (outdated_.load(std::memory_order_relaxed) || lifetime_.closing()) return refuse_for_now(channel);
  const int limit = place_.group.queue_timeout;
  if (limit > 0 && dispatched_ns > head.queued_ns && dispatched_ns - head.queued_ns > seconds(limit)) {
    log(LogLevel::kError,
        absl::StrCat("Queue timeout expired for a request to daemon process '", place_.group.name, "'."));
    return answer(channel, kServiceUnavailable);
  }
  serve_request(channel, head, dispatched_ns, thread);
}

void Workers::serve_request(Channel& channel, const RequestHead& head, std::uint64_t dispatched_ns,
                            wsgi::ThreadContext& thread) {
  SocketExchange exchange(channel, head, runtime_.host());
  const wsgi::DispatchedRequest dispatched{
      .application_group = std::string(head.application_group),
      .callable = std::string(head.callable),
      .script = script_request(head),
      .timestamps = {.accepted_ns = head.accepted_ns, .queued_ns = head.queued_ns, .dispatched_ns = dispatched_ns},
      .daemon_tries = head.tries,
      .server_pid = static_cast<pid_t>(head.server_pid)};
  const wsgi::Outcome outcome = wsgi::serve(runtime_, thread, exchange, dispatched, facts_);
  if (outcome == wsgi::Outcome::kResponded) {
    lifetime_.started();
  } else if (outcome == wsgi::Outcome::kOutdated) {
    if (!outdated_.exchange(true, std::memory_order_relaxed)) {
      log(LogLevel::kInfo, absl::StrCat("WSGI script '", std::string(head.script), "' has changed: daemon process '",
                                        place_.group.name, "' is restarted."));
    }
    lifetime_.stop(Lifetime::Stop::kClose, "script_reload");
    refuse_for_now(channel);
  } else {
    answer(channel, status_of(outcome, exchange));
  }
}

}  // namespace sluice::daemon
