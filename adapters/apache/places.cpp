#include "adapters/apache/places.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>

#include "sluice/recorder.hpp"

namespace sluice::apache {
namespace {

/// The name of the group of the server's own processes, as configurations have it.
constexpr const char* kServerGroup = "%{GLOBAL}";
constexpr std::size_t kMostBytes = std::size_t{1} << 30U;

constinit std::optional<Registry> registry;
constinit server_rec* main_server = nullptr;
constinit pid_t parent = 0;
constinit std::uint32_t server_group = 0;

Registry::Book& retained_book() {
  const std::string key = "sluice-registry-" + std::to_string(Registry::layout());
  void* book = ap_retained_data_get(key.c_str());
  if (book == nullptr) book = ap_retained_data_create(key.c_str(), sizeof(Registry::Book));
  return *static_cast<Registry::Book*>(book);
}

/// Twice as many as there may be at a time, since those of a generation that ends are still there when the next begins;
/// as many again get a place without memory. Half of everything is left to daemon processes.
void offer_places() {
  int limit = 1;
  int thread_limit = 1;
  ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &limit);
  ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &thread_limit);
  const auto processes = static_cast<std::size_t>(std::max(limit, 1));
  const auto threads = static_cast<std::size_t>(std::max(thread_limit, 1));
  const std::size_t room = kMostBytes / 2 / Recorder::memory_bytes(threads);
  registry->offer(server_group, threads, std::min(3 * processes, Registry::kPlaces / 2), std::min(2 * processes, room));
}

bool in_parent() noexcept { return registry && ::getpid() == parent; }

}  // namespace

int prepare_places(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec* server) {
  // The first reading of the configuration is a rehearsal.
  if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
  main_server = server;
  parent = ::getpid();
  registry.emplace(retained_book());
  if (!registry->open(kMostBytes)) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "There is no memory that processes could share: the handler '%s' "
                 "will have nothing to tell",
                 kMetricsHandlerName);
    registry.reset();
    return OK;
  }
  server_group = registry->group(kServerGroup, Mode::kEmbedded).index;
  registry->sweep();
  offer_places();
  return OK;
}

int reserve_place(const daemon::Group& group) {
  if (!registry) return Registry::kNoPlace;
  const Registry::Group found = registry->group(group.name, Mode::kDaemon);
  if (found.shared) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                 "There are too many process groups: '%s' is counted together with others", group.name);
  }
  const int place = registry->reserve(found.index, static_cast<std::size_t>(std::max(group.threads, 1)));
  if (registry->memory_of(place).empty()) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                 "There is no room left for what a daemon process '%s' counts: it is not listed", group.name);
  }
  return place;
}

void daemon_started(int place, pid_t pid) noexcept {
  if (registry) registry->started(place, pid);
}

void daemon_not_started(int place) noexcept {
  if (registry) registry->cancel(place);
}

void process_ended(pid_t pid) noexcept {
  if (in_parent()) registry->ended(pid);
}

void note_child(server_rec*, pid_t pid, ap_generation_t, int, mpm_child_status state) {
  if (!in_parent()) return;
  if (state == MPM_CHILD_STARTED) registry->count_start(server_group);
  if (state == MPM_CHILD_EXITED) registry->ended(pid);
}

int look_after_places(apr_pool_t*, server_rec*) {
  if (!in_parent()) return OK;
  registry->sweep();
  registry->forget_other_children();
  return OK;
}

std::span<std::byte> enter_place(int place) noexcept {
  if (!registry) return {};
  const std::span<std::byte> memory = registry->keep_only(place);
  registry.reset();
  return memory;
}

/// With one process for everything, as for a debugger, that is the parent itself.
std::span<std::byte> claim_place(std::size_t threads) noexcept {
  if (!registry) return {};
  const std::span<std::byte> memory = registry->claim(server_group, threads);
  if (!in_parent() && !registry->write_only(memory)) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                 "What other processes count is not out of this one's reach");
  }
  if (memory.empty()) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                 "There is no room left for what this process counts: it is not listed");
  }
  return memory;
}

absl::StatusOr<ServerReading> read_places() {
  if (!registry) return absl::FailedPreconditionError("the processes share no memory");
  return registry->read();
}

}  // namespace sluice::apache
