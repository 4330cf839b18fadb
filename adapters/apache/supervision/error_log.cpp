// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/error_log.hpp"

#include <apr_portable.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

namespace sluice::apache {
namespace {

struct stat remembered {};  // all zeros when the log is no file, as with syslog
constinit std::mutex changing;

int descriptor_of(const server_rec* server) noexcept {
  apr_os_file_t descriptor = -1;
  return server->error_log != nullptr && apr_os_file_get(&descriptor, server->error_log) == APR_SUCCESS ? descriptor
                                                                                                        : -1;
}

bool is_log(int descriptor) noexcept {
  struct stat now {};
  return ::fstat(descriptor, &now) == 0 && now.st_dev == remembered.st_dev && now.st_ino == remembered.st_ino;
}

}  // namespace

void remember_error_log(const server_rec* server) noexcept {
  if (::fstat(descriptor_of(server), &remembered) != 0) remembered = {};
}

void keep_error_log(server_rec* server) noexcept {
  if (remembered.st_ino == 0 || server->error_log == nullptr || is_log(descriptor_of(server))) return;
  const std::lock_guard lock(changing);
  if (server->error_log == nullptr || is_log(descriptor_of(server))) return;  // another thread has replaced it
  apr_os_file_t standard_error = STDERR_FILENO;
  apr_file_t* file = nullptr;
  const bool usable =
      is_log(standard_error) &&
      apr_os_file_put(&file, &standard_error, APR_FOPEN_WRITE | APR_FOPEN_APPEND, server->process->pool) == APR_SUCCESS;
  server->error_log = usable ? file : nullptr;
}

}  // namespace sluice::apache
