// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/process_registry.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/apache/supervision/child_processes.hpp"
#include "adapters/wsgi/schema/process_board.hpp"
#include "sluice/encode/server.hpp"
#include "sluice/recorder.hpp"

namespace sluice::apache {
namespace {

/// The name of the group of the server's own processes, as in the configuration.
constexpr const char* kServerGroup = "%{GLOBAL}";
constexpr std::size_t kMostBytes = std::size_t{1} << 30U;
/// The daemon processes of a generation, and those of the next one. A child of Apache can read the regions that exist
/// when it is forked, and may still answer a request when a graceful restart has begun the next generation.
constexpr std::size_t kGenerations = 2;

Registry::State& retained_registry() {
  const std::string key = "sluice-registry-" + std::to_string(Registry::layout<wsgi::Completion>());
  void* state = ap_retained_data_get(key.c_str());
  if (state == nullptr) state = ap_retained_data_create(key.c_str(), sizeof(Registry::State));
  return *static_cast<Registry::State*>(state);
}

std::size_t ask_mpm(int what) {
  int answer = 0;
  ap_mpm_query(what, &answer);
  return static_cast<std::size_t>(std::max(answer, 1));
}

std::size_t threads_of_child() { return ask_mpm(AP_MPMQ_MAX_THREADS); }

Registry::Tenant tenant_of(const daemon::DaemonOptions& options, Registry::GroupId id) {
  return {.group = id, .owner = static_cast<std::uint32_t>(options.uid)};
}

std::size_t threads_of(const daemon::DaemonOptions& options) {
  return static_cast<std::size_t>(std::max(options.threads, 1));
}

/// Returns the name of a group in UTF-8. Any other name is read as Latin-1: the formats replace each wrong byte by the
/// same character, so groups whose names differ in such bytes would have the same label.
std::string name_of(const daemon::DaemonOptions& options) {
  const std::string_view name = options.name;
  if (encode::json_text(name).find("\xEF\xBF\xBD") == std::string::npos) return std::string(name);
  std::string text;
  for (const char character : name) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte < 0x80U) {
      text += character;
    } else {
      text += static_cast<char>(0xC0U | (byte >> 6U));
      text += static_cast<char>(0x80U | (byte & 0x3FU));
    }
  }
  return text;
}

Registry::Tenant server_tenant(const ParentState& state) { return {.group = state.server_group, .owner = 0}; }

Registry::Demand demand(const Registry::Tenant& tenant, std::size_t threads, std::size_t processes) {
  return {tenant, threads, processes, wsgi::ProcessBoard::bytes(threads)};
}

std::vector<Registry::Demand> demands(ParentState& state) {
  // One region more than there may be processes, because the slot of the next process is reserved while all others run.
  const std::size_t children = ask_mpm(AP_MPMQ_HARD_LIMIT_DAEMONS) + 1;
  std::vector<Registry::Demand> all = {demand(server_tenant(state), threads_of_child(), children)};
  const apr_array_header_t* const groups = process_config().daemons;
  for (int i = 0; i < groups->nelts; ++i) {
    const daemon::DaemonOptions& options = reinterpret_cast<const DaemonGroup*>(groups->elts)[i].options;
    const auto assignment = state.registry->group(name_of(options), wsgi::mode_number(wsgi::Mode::kDaemon));
    if (!assignment.ok()) continue;
    all.push_back(demand(tenant_of(options, assignment->id), threads_of(options),
                         kGenerations * static_cast<std::size_t>(std::max(options.processes, 1))));
  }
  return all;
}

void log_without_memory(const ParentState& state, const char* group) {
  ap_log_error(APLOG_MARK, APLOG_WARNING, 0, state.server,
               "SLC0480: no shared memory is left for a process of group '%s'; the handler '%s' counts the process as "
               "unlisted and omits its requests",
               group, kMetricsHandlerName);
}

std::optional<Registry::SlotId> reserve(ParentState& state, const Registry::Tenant& tenant, std::size_t threads,
                                        const char* name) {
  const absl::StatusOr<Registry::SlotId> slot =
      state.registry->reserve(tenant, threads, wsgi::ProcessBoard::bytes(threads));
  if (!slot.ok() || state.registry->memory_of(*slot).empty()) log_without_memory(state, name);
  return slot.ok() ? std::optional(*slot) : std::nullopt;
}

/// Only the parent changes the registry; a forked process has a copy of its state.
bool may_change(const ParentState& state) noexcept { return state.registry && state.in_parent(); }

/// Records the ends of all processes that do not exist any more.
void record_ends(ParentState& state) noexcept {
  state.registry->reap_missing();
  state.registry->forget_other_children();
}

}  // namespace

int prepare_registry(apr_pool_t* pool, apr_pool_t*, apr_pool_t*, server_rec* server) {
  if (is_first_reading()) return OK;
  ParentState& state = parent_state();
  begin_generation(state, pool, server);
  state.registry.emplace(Registry::of<wsgi::Completion>(retained_registry()));
  absl::Status status = state.registry->open(kMostBytes);
  const auto assignment = state.registry->group(kServerGroup, wsgi::mode_number(wsgi::Mode::kEmbedded));
  status.Update(assignment.status());
  if (!status.ok()) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "SLC0481: the system cannot create shared memory (memfd_create, /proc): %s; the handler '%s' answers "
                 "with an error",
                 std::string(status.message()).c_str(), kMetricsHandlerName);
    state.registry.reset();
    return OK;
  }
  state.server_group = assignment->id;
  state.registry->cancel_reserved();
  state.registry->reap_missing();
  if (status = state.registry->pre_allocate(demands(state)); !status.ok()) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                 "SLC0482: cannot reserve shared memory for all processes that the configuration allows: %s; the "
                 "handler '%s' omits the requests of processes without",
                 std::string(status.message()).c_str(), kMetricsHandlerName);
  }
  state.next_child_slot = reserve(state, server_tenant(state), threads_of_child(), kServerGroup);
  return OK;
}

std::optional<Registry::SlotId> reserve_slot(ParentState& state, const daemon::DaemonOptions& options) {
  if (!state.registry) return std::nullopt;
  const SigchldBlocked blocked;
  const auto assignment = state.registry->group(name_of(options), wsgi::mode_number(wsgi::Mode::kDaemon));
  if (!assignment.ok()) return std::nullopt;
  if (assignment->shared) {
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, state.server,
                 "SLC0483: there are more than %d process groups; the requests of group '%s' are counted together with "
                 "those of others",
                 static_cast<int>(Registry::kGroups), options.name);
  }
  return reserve(state, tenant_of(options, assignment->id), threads_of(options), options.name);
}

void daemon_started(ParentState& state, std::optional<Registry::SlotId> slot, pid_t pid) noexcept {
  const SigchldBlocked blocked;
  if (state.registry && slot) state.registry->started(*slot, pid);
}

void daemon_not_started(ParentState& state, std::optional<Registry::SlotId> slot) noexcept {
  const SigchldBlocked blocked;
  if (state.registry && slot) state.registry->cancel(*slot);
}

void process_ended(ParentState& state, pid_t pid) noexcept {
  const SigchldBlocked blocked;
  if (may_change(state)) state.registry->ended(pid);
}

void process_reaped(ParentState& state, pid_t pid, std::uint64_t cpu_us) noexcept {
  if (may_change(state)) state.registry->ended(pid, cpu_us);
}

void note_child(server_rec*, pid_t pid, ap_generation_t, int, mpm_child_status child_state) {
  ParentState& state = parent_state();
  if (!may_change(state)) return;
  const SigchldBlocked blocked;
  if (child_state == MPM_CHILD_STARTED) {
    if (state.next_child_slot) state.registry->started(*state.next_child_slot, pid);
    // With httpd -X the parent serves requests itself.
    if (pid != state.pid)
      state.next_child_slot = reserve(state, server_tenant(state), threads_of_child(), kServerGroup);
  }
  // The server reads this process id from its scoreboard, into which any of its own processes can write another one.
  if (child_state == MPM_CHILD_EXITED) record_ends(state);
}

int maintain_registry(apr_pool_t*, server_rec*) {
  ParentState& state = parent_state();
  if (!may_change(state)) return OK;
  const SigchldBlocked blocked;
  record_ends(state);
  return OK;
}

std::span<std::byte> isolate_daemon(ParentState& state, std::optional<Registry::SlotId> slot) noexcept {
  if (!state.registry) return {};
  const std::span<std::byte> memory = state.registry->isolate_to(slot);
  state.registry.reset();
  return memory;
}

std::span<std::byte> enter_child(ParentState& state) noexcept {
  if (!state.registry) return {};
  if (!may_change(state)) return state.registry->enter(state.next_child_slot);
  return state.next_child_slot ? state.registry->memory_of(*state.next_child_slot) : std::span<std::byte>();
}

void log_completed_requests(const ParentState& state) noexcept {
  try {
    const absl::StatusOr<ServerReading> reading = read_registry(state);
    if (!reading.ok()) return;
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, state.server,
                 "SLC0499: the server ends; its processes have completed %s requests",
                 std::to_string(reading->total.counts.request_count).c_str());
  } catch (const std::exception&) {
    return;  // there is no memory left
  }
}

absl::StatusOr<ServerReading> read_registry(const ParentState& state) {
  if (!state.registry) return absl::FailedPreconditionError("the processes share no memory");
  return state.registry->read();
}

}  // namespace sluice::apache
