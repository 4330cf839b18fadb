// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/python/forked_copy.hpp"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "absl/strings/str_cat.h"

namespace sluice::wsgi {
namespace {

constexpr std::size_t kMarkBytes = 4096;
constexpr int kEndSeconds = 1;

/// Returns the page of the mark, or null when the kernel cannot wipe it in children.
unsigned char* map_mark() noexcept {
  void* const page = ::mmap(nullptr, kMarkBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (::madvise(page, kMarkBytes, MADV_WIPEONFORK) == 0) return static_cast<unsigned char*>(page);
  ::munmap(page, kMarkBytes);
  return nullptr;
}

/// Makes the kernel kill this process after kEndSeconds, in case that the log line has to wait for a lock that another
/// thread held at the time of the fork. Uses the system call, because the C library allocates memory for a timer.
void bound_end() noexcept {
  sigevent event{};
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGKILL;
  int timer = 0;
  if (::syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) != 0) return;
  const itimerspec once = {.it_interval = {}, .it_value = {kEndSeconds, 0}};
  ::syscall(SYS_timer_settime, timer, 0, &once, nullptr);
}

/// Ends a copy that calls exit() before it runs the exit handlers of the server, because these would release resources
/// of the process that was copied.
void skip_exit_handlers(int status, void*) noexcept {
  if (ForkedCopy::is_this()) ::_exit(status);
}

}  // namespace

void ForkedCopy::mark_original(const bindings::Host& host) noexcept {
  host_ = &host;
  original_ = ::getpid();
  unsigned char* const page = map_mark();
  if (page != nullptr) *page = 1;
  mark_ = page;
  static_cast<void>(::on_exit(skip_exit_handlers, nullptr));
}

void ForkedCopy::mark_server_fork() noexcept {
  if (!is_this()) return;
  original_ = ::getpid();
  if (mark_ != nullptr) *mark_ = 1;
}

void ForkedCopy::end() noexcept {
  bound_end();
  host_->log(LogLevel::kError,
             absl::StrCat("SLC0115: process ", ::getpid(), ", which the application forked from process ", original_,
                          ", has returned to the server's code; it ends without serving anything. A forked child must "
                          "call os._exit() or execute another program."));
  ::_exit(1);
}

}  // namespace sluice::wsgi
