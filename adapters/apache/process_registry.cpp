#include "adapters/apache/process_registry.hpp"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "adapters/apache/config.hpp"
#include "sluice/recorder.hpp"

namespace sluice::apache {
namespace {

/// The name of the group of the server's own processes, as configurations have it.
constexpr const char* kServerGroup = "%{GLOBAL}";
constexpr std::size_t kMostBytes = std::size_t{1} << 30U;
/// Old and new generations of processes overlap during a graceful restart.
constexpr std::size_t kGenerations = 2;

constinit std::optional<Registry> registry;
constinit server_rec* main_server = nullptr;
constinit pid_t parent = 0;
constinit Registry::GroupId server_group{};
/// The slot of the server's own process that is forked next. The parent has reserved it, and the hook child_status says
/// which process it was; so each such process finds its own slot here, in the memory that it inherited.
constinit std::optional<Registry::SlotId> next_child_slot;

Registry::ParentState& retained_state() {
  const std::string key = "sluice-registry-" + std::to_string(Registry::layout());
  void* state = ap_retained_data_get(key.c_str());
  if (state == nullptr) state = ap_retained_data_create(key.c_str(), sizeof(Registry::ParentState));
  return *static_cast<Registry::ParentState*>(state);
}

std::size_t ask_mpm(int what) {
  int answer = 0;
  ap_mpm_query(what, &answer);
  return static_cast<std::size_t>(std::max(answer, 1));
}

std::size_t threads_of_child() { return ask_mpm(AP_MPMQ_MAX_THREADS); }

Registry::Tenant tenant_of(const daemon::Group& group, Registry::GroupId id) {
  return {.group = id, .owner = static_cast<std::uint32_t>(group.uid)};
}

std::size_t threads_of(const daemon::Group& group) { return static_cast<std::size_t>(std::max(group.threads, 1)); }

Registry::Tenant server_tenant() { return {.group = server_group, .owner = 0}; }

std::vector<Registry::Demand> demands() {
  std::vector<Registry::Demand> all = {
      {server_tenant(), threads_of_child(), kGenerations * ask_mpm(AP_MPMQ_HARD_LIMIT_DAEMONS)}};
  const apr_array_header_t* const groups = process_config().daemons;
  for (int i = 0; i < groups->nelts; ++i) {
    const daemon::Group& group = reinterpret_cast<const DaemonGroup*>(groups->elts)[i].group;
    const auto assignment = registry->group(group.name, Mode::kDaemon);
    if (!assignment.ok()) continue;
    all.push_back({tenant_of(group, assignment->id), threads_of(group),
                   kGenerations * static_cast<std::size_t>(std::max(group.processes, 1))});
  }
  return all;
}

void log_without_memory(const char* group) {
  ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
               "A process of group '%s' has no shared memory to record in, because no region is free: the handler '%s' "
               "counts it as unlisted and leaves its requests out",
               group, kMetricsHandlerName);
}

std::optional<Registry::SlotId> reserve(const Registry::Tenant& tenant, std::size_t threads, const char* name) {
  const absl::StatusOr<Registry::SlotId> slot = registry->reserve(tenant, threads);
  if (!slot.ok() || registry->memory_of(*slot).empty()) log_without_memory(name);
  return slot.ok() ? std::optional(*slot) : std::nullopt;
}

bool in_parent() noexcept { return registry && ::getpid() == parent; }

}  // namespace

int prepare_registry(apr_pool_t*, apr_pool_t*, apr_pool_t*, server_rec* server) {
  // The first reading of the configuration is a rehearsal.
  if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) return OK;
  apply_server_defaults(server);
  main_server = server;
  parent = ::getpid();
  registry.emplace(retained_state());
  absl::Status status = registry->open(kMostBytes);
  const auto assignment = registry->group(kServerGroup, Mode::kEmbedded);
  status.Update(assignment.status());
  if (!status.ok()) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "The system has no memory files that processes can share (memfd_create, /proc): the handler '%s' "
                 "will answer with an error: %s",
                 kMetricsHandlerName, std::string(status.message()).c_str());
    registry.reset();
    return OK;
  }
  server_group = assignment->id;
  registry->cancel_reserved();
  registry->reap_missing();
  if (status = registry->pre_allocate(demands()); !status.ok()) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "There is no shared memory for all processes that the configuration allows: the handler '%s' will "
                 "leave out those that find none: %s",
                 kMetricsHandlerName, std::string(status.message()).c_str());
  }
  next_child_slot = reserve(server_tenant(), threads_of_child(), kServerGroup);
  return OK;
}

std::optional<Registry::SlotId> reserve_slot(const daemon::Group& group) {
  if (!registry) return std::nullopt;
  const auto assignment = registry->group(group.name, Mode::kDaemon);
  if (!assignment.ok()) return std::nullopt;
  if (assignment->shared) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                 "There are more than %d process groups: '%s' is counted together with others",
                 static_cast<int>(Registry::kGroups), group.name);
  }
  return reserve(tenant_of(group, assignment->id), threads_of(group), group.name);
}

void daemon_started(std::optional<Registry::SlotId> slot, pid_t pid) noexcept {
  if (registry && slot) registry->started(*slot, pid);
}

void daemon_not_started(std::optional<Registry::SlotId> slot) noexcept {
  if (registry && slot) registry->cancel(*slot);
}

void process_ended(pid_t pid) noexcept {
  if (in_parent()) registry->ended(pid);
}

void note_child(server_rec*, pid_t pid, ap_generation_t, int, mpm_child_status state) {
  if (!in_parent()) return;
  if (state == MPM_CHILD_STARTED) {
    if (next_child_slot) registry->started(*next_child_slot, pid);
    // With one process for everything, as for a debugger, the parent is the child.
    if (pid != parent) next_child_slot = reserve(server_tenant(), threads_of_child(), kServerGroup);
  }
  if (state == MPM_CHILD_EXITED) registry->ended(pid);
}

int maintain_registry(apr_pool_t*, server_rec*) {
  if (!in_parent()) return OK;
  registry->reap_missing();
  registry->forget_other_children();
  return OK;
}

std::span<std::byte> isolate_daemon(std::optional<Registry::SlotId> slot) noexcept {
  if (!registry) return {};
  const std::span<std::byte> memory = registry->isolate_to(slot);
  registry.reset();
  return memory;
}

std::span<std::byte> enter_child() noexcept {
  if (!registry) return {};
  if (!in_parent()) return registry->enter(next_child_slot);
  return next_child_slot ? registry->memory_of(*next_child_slot) : std::span<std::byte>();
}

absl::StatusOr<ServerReading> read_registry() {
  if (!registry) return absl::FailedPreconditionError("the processes share no memory");
  return registry->read();
}

}  // namespace sluice::apache
