// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/supervision/socket_files.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace sluice::apache {

namespace {

bool only_root_can_change(const std::string& directory) {
  struct stat info {};
  if (::stat(directory.c_str(), &info) != 0) return true;  // bind() will fail and report it
  if (info.st_uid != 0) return false;
  return (info.st_mode & (S_IWGRP | S_IWOTH)) == 0 || (info.st_mode & S_ISVTX) != 0;
}

}  // namespace

bool directory_is_safe(const std::string& path) {
  if (::geteuid() != 0) return true;  // a server without root has one user only
  const std::unique_ptr<char, decltype(&std::free)> resolved{
      ::realpath(path.substr(0, path.rfind('/') + 1).c_str(), nullptr), &std::free};
  if (resolved == nullptr) return true;  // bind() will fail and report it
  std::string directory = resolved.get();
  while (directory.size() > 1) {
    if (!only_root_can_change(directory)) return false;
    directory.resize(directory.rfind('/'));
  }
  return only_root_can_change("/");
}

int bind_socket(const char* path, mode_t mode) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) return -1;
  const mode_t before = ::umask(0777 & ~mode);
  const int bound = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  ::umask(before);
  if (bound == 0) return descriptor;
  const int error = errno;
  ::close(descriptor);
  errno = error;
  return -1;
}

bool give_socket(const char* path, uid_t owner, gid_t group) noexcept {
  const int file = ::open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return false;
  struct stat info {};
  bool transferred = ::fstat(file, &info) == 0;
  if (transferred && (!S_ISSOCK(info.st_mode) || info.st_uid != ::geteuid() || info.st_nlink != 1)) {
    errno = EPERM;
    transferred = false;
  }
  transferred = transferred && ::fchownat(file, "", owner, group, AT_EMPTY_PATH) == 0;
  const int error = errno;
  ::close(file);
  errno = error;
  return transferred;
}

}  // namespace sluice::apache
