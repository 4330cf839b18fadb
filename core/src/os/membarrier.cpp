// SPDX-License-Identifier: Apache-2.0
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sluice/detail/policy.hpp"

namespace sluice::inline v0_1::detail {
namespace {

long membarrier(int command) noexcept { return ::syscall(SYS_membarrier, command, 0, 0); }

bool supported(long command) noexcept {
  const long commands = membarrier(MEMBARRIER_CMD_QUERY);
  return commands >= 0 && (commands & command) != 0;
}

}  // namespace

bool membarrier_available() noexcept {
  return supported(MEMBARRIER_CMD_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0 &&
         membarrier_all();
}

bool membarrier_all() noexcept { return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0; }

bool membarrier_open_to_others() noexcept {
  return supported(MEMBARRIER_CMD_GLOBAL_EXPEDITED) && membarrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) == 0 &&
         membarrier_others();
}

bool membarrier_others() noexcept { return membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0; }

bool may_leave_fence_to_readers(bool seen_by_others, bool release_fence_is_free) noexcept {
  return membarrier_available() && (!seen_by_others || release_fence_is_free || membarrier_open_to_others());
}

}  // namespace sluice::detail
