// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/surroundings.hpp"

#include <pwd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace sluice::daemon {
namespace {

constexpr const char* kRoot = "/";

/// The user that the process runs as.
struct User {
  std::string name;  ///< Empty when the system does not know the user.
  std::string home;  ///< The root when the system has none for the user.
};

User current_user() {
  const passwd* const entry = ::getpwuid(::geteuid());
  if (entry == nullptr) return {.name = {}, .home = kRoot};
  return {.name = entry->pw_name, .home = *entry->pw_dir != '\0' ? entry->pw_dir : kRoot};
}

/// Enters the directory of `home=`, otherwise the home of a user other than the server's. A user without a home stays
/// in the root, because accounts of services often have none.
absl::Status enter_directory(const DaemonOptions& options, const std::string& user_home, const LogSink& log) {
  if (options.home != nullptr) {
    if (::chdir(options.home) == 0) return absl::OkStatus();
    return absl::NotFoundError(absl::StrCat("its home '", options.home, "' cannot be entered: ", std::strerror(errno)));
  }
  if (!options.other_user || ::geteuid() != options.uid || ::chdir(user_home.c_str()) == 0) return absl::OkStatus();
  log(LogLevel::kWarning,
      absl::StrCat("SLC0910: daemon process '", options.name, "' starts in '/', because the home directory '",
                   user_home, "' of its user cannot be entered: ", std::strerror(errno),
                   "; create it, or set the option home= of the group"));
  return ::chdir(kRoot) == 0 ? absl::OkStatus() : absl::NotFoundError("'/' cannot be entered");
}

/// The name is not that of the configuration, which is without effect unless root has started the server.
void set_environment(const User& user) {
  ::setenv("HOME", user.home.c_str(), 1);
  if (user.name.empty()) return;
  for (const char* const variable : {"USER", "USERNAME", "LOGNAME"}) ::setenv(variable, user.name.c_str(), 1);
}

void log_missing_locale(const DaemonOptions& options, const char* locale, const LogSink& log) {
  log(LogLevel::kWarning,
      absl::StrCat("SLC0911: daemon process '", options.name, "' runs without the locale '", locale,
                   "', because this machine does not have it; install it, or use one that `locale -a` lists, such as "
                   "C.UTF-8"));
}

bool has_locale(const char* name) {
  const locale_t locale = ::newlocale(LC_ALL_MASK, name, nullptr);
  if (locale == nullptr) return false;
  ::freelocale(locale);
  return true;
}

/// Sets the locale and its variables. The variables do not name a locale that is missing, because programs that the
/// application starts would complain, and Python would fall back to the locale C instead of the one that it has.
void set_locale(const DaemonOptions& options, const LogSink& log) {
  const std::string_view lang = options.lang != nullptr ? options.lang : "";
  const std::string_view locale = options.locale != nullptr ? options.locale : "";
  if (!locale.empty()) {
    if (std::setlocale(LC_ALL, options.locale) != nullptr) {
      ::setenv("LC_ALL", options.locale, 1);
    } else {
      log_missing_locale(options, options.locale, log);
    }
  }
  if (lang.empty()) return;
  if (has_locale(options.lang)) {
    ::setenv("LANG", options.lang, 1);
  } else if (lang != locale) {
    log_missing_locale(options, options.lang, log);
  }
}

/// `resource` is an RLIMIT_ constant.
void limit_memory(const DaemonOptions& options, __rlimit_resource resource, std::int64_t bytes, const LogSink& log) {
  if (bytes <= 0) return;
  const rlimit limit = {.rlim_cur = static_cast<rlim_t>(bytes), .rlim_max = static_cast<rlim_t>(bytes)};
  if (::setrlimit(resource, &limit) == 0) return;
  log(LogLevel::kWarning,
      absl::StrCat("SLC0912: daemon process '", options.name, "' runs without its limit of ", bytes,
                   " bytes of memory: ", std::strerror(errno),
                   "; compare memory-limit and virtual-memory-limit with the limits of the server"));
}

}  // namespace

void set_cpu_priority(const DaemonOptions& options, const LogSink& log) {
  if (options.cpu_priority == 0 || ::setpriority(PRIO_PROCESS, 0, options.cpu_priority) == 0) return;
  log(LogLevel::kWarning,
      absl::StrCat("SLC0913: daemon process '", options.name, "' runs without cpu-priority=", options.cpu_priority,
                   ": ", std::strerror(errno), "; a priority below 0 needs root or CAP_SYS_NICE"));
}

absl::Status enter_surroundings(const DaemonOptions& options, const LogSink& log) {
  if (options.umask >= 0) ::umask(static_cast<mode_t>(options.umask));
  const User user = current_user();
  if (absl::Status status = enter_directory(options, user.home, log); !status.ok()) return status;
  set_environment(user);
  set_locale(options, log);
  limit_memory(options, RLIMIT_DATA, options.memory_limit, log);
  limit_memory(options, RLIMIT_AS, options.virtual_memory_limit, log);
  return absl::OkStatus();
}

}  // namespace sluice::daemon
