// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/parent_state.hpp"

#include <unistd.h>

#include <string>

namespace sluice::apache {
namespace {

constinit ParentState the_state;

/// Number of changes to RetainedState, or to the protocol with daemon processes, after which a module cannot take over
/// from the one before. Any other upgrade keeps sockets and keys, so that requests reach a process whichever version
/// sends them.
constexpr int kRetainedLayout = 3;

}  // namespace

std::span<Daemon> ParentState::all_daemons() const noexcept {
  if (daemons == nullptr) return {};
  return {reinterpret_cast<Daemon*>(daemons->elts), static_cast<std::size_t>(daemons->nelts)};
}

bool ParentState::in_parent() const noexcept { return ::getpid() == pid; }

ParentState& parent_state() noexcept { return the_state; }

bool is_first_reading() noexcept { return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG; }

void begin_generation(ParentState& state, apr_pool_t* pool, server_rec* server) noexcept {
  apply_server_defaults(server);
  state.pool = pool;
  state.server = server;
  state.pid = ::getpid();
  state.of_root = ::geteuid() == 0;
}

RetainedState& retained_state() {
  const std::string key =
      "sluice-daemons-" + std::to_string(kRetainedLayout) + "-" + std::to_string(sizeof(RetainedState));
  void* memory = ap_retained_data_get(key.c_str());
  if (memory == nullptr) memory = ap_retained_data_create(key.c_str(), sizeof(RetainedState));
  return *static_cast<RetainedState*>(memory);
}

}  // namespace sluice::apache
