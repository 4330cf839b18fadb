// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/daemon_option_parser.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "adapters/apache/config/notes.hpp"
#include "adapters/apache/config/numbers.hpp"

namespace sluice::apache {

using daemon::DaemonOptions;

namespace {

struct NumberOption {
  const char* name;
  int DaemonOptions::*member;
  int least;
  int most;  ///< A larger number is this one, except for kStrictNumbers.
};

constexpr int kSecondsMax = 10 * 365 * 24 * 3600;
constexpr int kDelayMax = 60'000;  // milliseconds
constexpr int kThreadsMax = 10'000;

/// Numbers of processes and threads are never silently others than those that the configuration says.
constexpr NumberOption kStrictNumbers[] = {
    {"processes", &DaemonOptions::processes, 1, 1'000},
    {"threads", &DaemonOptions::threads, 0, kThreadsMax},
};

constexpr NumberOption kNumbers[] = {
    {"listen-backlog", &DaemonOptions::listen_backlog, 0, INT_MAX},
    {"send-buffer-size", &DaemonOptions::send_buffer_size, 512, INT_MAX},
    {"receive-buffer-size", &DaemonOptions::receive_buffer_size, 512, INT_MAX},
    {"stack-size", &DaemonOptions::stack_size, 1, INT_MAX},
    {"connect-timeout", &DaemonOptions::connect_timeout, 0, kSecondsMax},
    {"queue-timeout", &DaemonOptions::queue_timeout, 0, kSecondsMax},
    {"socket-timeout", &DaemonOptions::socket_timeout, 0, kSecondsMax},
    {"exchange-timeout", &DaemonOptions::exchange_timeout, 1, kSecondsMax},
    {"response-socket-timeout", &DaemonOptions::response_socket_timeout, 0, kSecondsMax},
    {"response-flush-delay", &DaemonOptions::response_flush_delay, 0, kDelayMax},
    {"request-timeout", &DaemonOptions::request_timeout, 0, kSecondsMax},
    {"interrupt-timeout", &DaemonOptions::interrupt_timeout, 0, kSecondsMax},
    {"cpu-time-limit", &DaemonOptions::cpu_time_limit, 0, kSecondsMax},
    {"inactivity-timeout", &DaemonOptions::inactivity_timeout, 0, kSecondsMax},
    {"startup-timeout", &DaemonOptions::startup_timeout, 0, kSecondsMax},
    {"graceful-timeout", &DaemonOptions::graceful_timeout, 0, kSecondsMax},
    {"eviction-timeout", &DaemonOptions::eviction_timeout, 0, kSecondsMax},
    {"shutdown-timeout", &DaemonOptions::shutdown_timeout, 0, kSecondsMax},
    {"deadlock-timeout", &DaemonOptions::deadlock_timeout, 0, kSecondsMax},
    {"restart-interval", &DaemonOptions::restart_interval, 0, kSecondsMax},
    {"maximum-requests", &DaemonOptions::maximum_requests, 0, INT_MAX},
    {"cpu-priority", &DaemonOptions::cpu_priority, INT_MIN, INT_MAX},
};

struct SizeOption {
  const char* name;
  std::int64_t DaemonOptions::*member;
};

constexpr SizeOption kSizes[] = {
    {"memory-limit", &DaemonOptions::memory_limit},
    {"virtual-memory-limit", &DaemonOptions::virtual_memory_limit},
};

/// An option that is accepted without an effect. The value 0 asks for no effect, so only other values are noted in the
/// log.
struct ObsoleteNumber {
  const char* name;
  std::int64_t least;
  const char* note;
};

constexpr ObsoleteNumber kObsolete[] = {
    {"header-buffer-size", 8'192, "a response head may be up to 2 MiB long"},
    {"response-buffer-size", 65'536, "a response is passed on as it comes, so that no buffer fills"},
};

constexpr const char* kNoRoot =
    "option 'chroot' is not supported: a process in another root would lack Python, its modules and the libraries that "
    "they load; run the whole server in a container, or with RootDirectory= of systemd";

struct TextOption {
  const char* name;
  const char* DaemonOptions::*member;
  bool empty_is_absent = false;
};

constexpr TextOption kTexts[] = {
    {"home", &DaemonOptions::home},
    {"python-home", &DaemonOptions::python_home},
    {"python-path", &DaemonOptions::python_path},
    {"python-eggs", &DaemonOptions::python_eggs},
    {"lang", &DaemonOptions::lang, true},
    {"locale", &DaemonOptions::locale, true},
    {"display-name", &DaemonOptions::display_name, true},
    {"script-user", &DaemonOptions::script_user},
    {"script-group", &DaemonOptions::script_group},
};

/// Parses an id such as "#123". Returns false for a name.
bool numeric_id(const char* value, unsigned& id) { return *value == '#' && absl::SimpleAtoi(value + 1, &id); }

bool find_user(const char* value, uid_t& uid, const char*& name) {
  unsigned id = 0;
  const passwd* const entry = numeric_id(value, id) ? ::getpwuid(id) : ::getpwnam(value);
  if (entry == nullptr) return false;
  uid = entry->pw_uid;
  name = entry->pw_name;
  return true;
}

/// Returns the message about an option that names a user or a group the system does not know.
const char* unknown(apr_pool_t* pool, const char* option, const char* kind, const char* name) {
  return apr_pstrcat(pool, "option '", option, "': ", kind, " '", name, "' does not exist", nullptr);
}

}  // namespace

bool find_user_id(const char* value, uid_t& uid) {
  const char* name = nullptr;
  return find_user(value, uid, name);
}

bool find_group_id(const char* value, gid_t& gid) {
  unsigned id = 0;
  if (numeric_id(value, id)) {
    // The largest number means "unchanged" in system calls, so no group can have it.
    gid = id;
    return id != static_cast<gid_t>(-1);
  }
  const ::group* const entry = ::getgrnam(value);
  if (entry != nullptr) gid = entry->gr_gid;
  return entry != nullptr;
}

const char* DaemonOptionParser::set(const char* name, const char* value) {
  const std::string_view option = name;
  if (option == "user") return set_user(value);
  if (option == "group") return set_group(value);
  if (option == "umask") return set_umask(value);
  if (option == "server-metrics") return set_server_metrics(value);
  if (option == "socket-user") return set_socket_user(value);
  if (option == "supplementary-groups") return set_supplementary_groups(value);
  if (option == "switch-interval") return set_switch_interval(value);
  if (option == "chroot") return kNoRoot;
  bool recognized = false;
  if (const char* const problem = set_number(name, value, recognized); recognized) return problem;
  if (const char* const problem = set_size(name, value, recognized); recognized) return problem;
  if (const char* const problem = set_obsolete(name, value, recognized); recognized) return problem;
  if (const char* const problem = set_text(name, value, recognized); recognized) return problem;
  return apr_pstrcat(pool_, "option '", name, "' is not supported", nullptr);
}

const char* DaemonOptionParser::set_number(const char* name, const char* value, bool& recognized) {
  for (const std::span<const NumberOption> options : {std::span<const NumberOption>(kStrictNumbers), {kNumbers}}) {
    const bool strict = options.data() == kStrictNumbers;
    for (const NumberOption& option : options) {
      if (std::strcmp(option.name, name) != 0) continue;
      recognized = true;
      std::int64_t number = 0;
      const bool valid = parse_option(name, value, number) && (!strict || number <= option.most) &&
                         (number >= option.least || (number == 0 && option.least == 512));
      if (!valid) {
        return apr_psprintf(pool_, "option '%s' must be a number from %d to %d, not '%s'", name, option.least,
                            option.most, value);
      }
      options_.*option.member = static_cast<int>(std::min<std::int64_t>(number, option.most));
      if (option.member == &DaemonOptions::processes) options_.processes_configured = true;
      return nullptr;
    }
  }
  return nullptr;
}

bool DaemonOptionParser::parse_option(const char* name, const char* value, std::int64_t& number) {
  return parse_number(pool_, apr_pstrcat(pool_, "option '", name, "' of a daemon process", nullptr), value, number);
}

const char* DaemonOptionParser::set_size(const char* name, const char* value, bool& recognized) {
  for (const SizeOption& option : kSizes) {
    if (std::strcmp(option.name, name) != 0) continue;
    recognized = true;
    std::int64_t& number = options_.*option.member;
    if (parse_option(name, value, number) && number >= 0) return nullptr;
    return apr_pstrcat(pool_, "option '", name, "' must be a number of bytes, not '", value, "'", nullptr);
  }
  return nullptr;
}

const char* DaemonOptionParser::set_obsolete(const char* name, const char* value, bool& recognized) {
  for (const ObsoleteNumber& option : kObsolete) {
    if (std::strcmp(option.name, name) != 0) continue;
    recognized = true;
    std::int64_t number = 0;
    if (!parse_option(name, value, number) || (number != 0 && number < option.least)) {
      return apr_psprintf(pool_, "option '%s' must be 0 or a number from %d on, not '%s'", name,
                          static_cast<int>(option.least), value);
    }
    if (number != 0) {
      add_note(apr_pstrcat(pool_, "option '", name, "' of a daemon process has no effect: ", option.note, nullptr));
    }
    return nullptr;
  }
  return nullptr;
}

const char* DaemonOptionParser::set_text(const char* name, const char* value, bool& recognized) {
  for (const TextOption& option : kTexts) {
    if (std::strcmp(option.name, name) != 0) continue;
    recognized = true;
    const bool absent = *value == '\0' && option.empty_is_absent;
    options_.*option.member = absent ? nullptr : value;
    return nullptr;
  }
  return nullptr;
}

const char* DaemonOptionParser::set_user(const char* value) {
  const char* name = nullptr;
  if (!find_user(value, options_.uid, name)) return unknown(pool_, "user", "user", value);
  options_.user = apr_pstrdup(pool_, name);
  return options_.uid == 0 ? "option 'user': a daemon process must not run as root" : nullptr;
}

const char* DaemonOptionParser::set_group(const char* value) {
  return find_group_id(value, options_.gid) ? nullptr : unknown(pool_, "group", "group", value);
}

const char* DaemonOptionParser::set_socket_user(const char* value) {
  return find_user_id(value, options_.socket_user) ? nullptr : unknown(pool_, "socket-user", "user", value);
}

const char* DaemonOptionParser::set_supplementary_groups(const char* value) {
  apr_array_header_t* const groups = apr_array_make(pool_, 8, sizeof(gid_t));
  while (*value != '\0') {
    const char* const name = ap_getword(pool_, &value, ',');
    gid_t id = 0;
    if (*name == '\0') continue;
    if (!find_group_id(name, id)) return unknown(pool_, "supplementary-groups", "group", name);
    *static_cast<gid_t*>(apr_array_push(groups)) = id;
  }
  if (groups->nelts > NGROUPS_MAX - 1) return "option 'supplementary-groups' names more groups than the system allows";
  options_.supplementary_groups = reinterpret_cast<const gid_t*>(groups->elts);
  options_.supplementary_group_count = groups->nelts;
  return nullptr;
}

const char* DaemonOptionParser::set_switch_interval(const char* value) {
  if (parse_interval(value, options_.switch_interval)) return nullptr;
  return apr_pstrcat(pool_, "option 'switch-interval' must be a number of seconds above 0, not '", value, "'", nullptr);
}

const char* DaemonOptionParser::set_umask(const char* value) {
  char* end = nullptr;
  const long mask = std::strtol(value, &end, 8);
  if (end == value || *end != '\0' || mask < 0) {
    return apr_pstrcat(pool_, "option 'umask' must be an octal number, not '", value, "'", nullptr);
  }
  options_.umask = mask & 0777;
  return nullptr;
}

const char* DaemonOptionParser::set_server_metrics(const char* value) {
  options_.server_metrics = strcasecmp(value, "On") == 0;
  if (options_.server_metrics || strcasecmp(value, "Off") == 0) return nullptr;
  return apr_pstrcat(pool_, "option 'server-metrics' must be On or Off, not '", value, "'", nullptr);
}

const char* DaemonOptionParser::complete() {
  if (options_.home != nullptr && *options_.home != '/') {
    return apr_pstrcat(pool_, "option 'home' must be an absolute path, not '", options_.home, "'", nullptr);
  }
  if (options_.script_user != nullptr && options_.script_group != nullptr) {
    return "options 'script-user' and 'script-group' exclude each other";
  }
  if (options_.script_user != nullptr && !find_user_id(options_.script_user, options_.script_uid)) {
    return unknown(pool_, "script-user", "user", options_.script_user);
  }
  if (options_.script_group != nullptr && !find_group_id(options_.script_group, options_.script_gid)) {
    return unknown(pool_, "script-group", "group", options_.script_group);
  }
  return nullptr;
}

}  // namespace sluice::apache
