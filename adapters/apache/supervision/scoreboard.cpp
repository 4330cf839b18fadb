// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/scoreboard.hpp"

// clang-format off: httpd.h comes first
#include <apr_time.h>
#include <httpd.h>
#include <scoreboard.h>
// clang-format on

#include <cstring>

namespace sluice::apache {
namespace {

/// The letters of mod_status, indexed by SERVER_DEAD and the states that follow.
constexpr char kLetters[] = {'.', 'S', '_', 'R', 'W', 'K', 'L', 'D', 'C', 'G', 'I'};
static_assert(sizeof(kLetters) == SERVER_NUM_STATUS);
static_assert(SERVER_DEAD == 0 && SERVER_BUSY_WRITE == 4 && SERVER_IDLE_KILL == 10);

/// Copies the whole array. Another process may be writing it, so its terminator cannot be relied on.
template <std::size_t kTo, std::size_t kFrom>
void copy(bindings::BoundedText<kTo>& to, const char (&from)[kFrom]) noexcept {
  static_assert(kTo >= kFrom);
  std::memcpy(to.bytes, from, kFrom);
  if constexpr (kTo > kFrom) to.bytes[kFrom] = '\0';
}

class ServerScoreboard final : public bindings::Scoreboard {
 public:
  [[nodiscard]] bindings::ServerState server() const noexcept override {
    const global_score& global = *ap_get_scoreboard_global();
    return {.server_limit = global.server_limit,
            .thread_limit = global.thread_limit,
            .running_generation = global.running_generation,
            .restart_us = global.restart_time,
            .current_us = apr_time_now()};
  }

  [[nodiscard]] bindings::ServerProcessState process(int process) const noexcept override {
    const process_score* const score = ap_get_scoreboard_process(process);
    if (score == nullptr) return {};
    return {.pid = score->pid, .generation = score->generation, .quiescing = score->quiescing != 0};
  }

  void read_worker(int process, int thread, bindings::ServerWorkerState& worker) const noexcept override {
    const worker_score* const score = ap_get_scoreboard_worker_from_indexes(process, thread);
    if (score == nullptr) {
      worker = {};
      return;
    }
    worker.generation = score->generation;
    const unsigned char status = score->status;
    worker.status = status < sizeof(kLetters) ? kLetters[status] : '?';
    worker.access_count = score->my_access_count;  // since its process started; access_count is that of the entry
    worker.bytes_served = static_cast<std::uint64_t>(score->bytes_served);
    worker.start_us = score->start_time;
    worker.stop_us = score->stop_time;
    worker.last_used_us = score->last_used;
    copy(worker.client, score->client64);
    copy(worker.request, score->request);
    copy(worker.vhost, score->vhost);
  }
};

}  // namespace

const bindings::Scoreboard* scoreboard() noexcept {
  static constinit ServerScoreboard server;
  return ap_exists_scoreboard_image() != 0 && ap_get_scoreboard_global() != nullptr ? &server : nullptr;
}

}  // namespace sluice::apache
