#include "adapters/apache/config/daemon_option_parser.hpp"

#include <grp.h>
#include <pwd.h>

#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"

namespace sluice::apache {

using daemon::Group;

namespace {

struct NumberOption {
  const char* name;
  int Group::*member;
  int least;
  int most;
};

constexpr int kSecondsMax = 10 * 365 * 24 * 3600;
constexpr int kThreadsMax = 10'000;

constexpr NumberOption kNumbers[] = {
    {"processes", &Group::processes, 1, 1'000},
    {"threads", &Group::threads, 0, kThreadsMax},
    {"listen-backlog", &Group::listen_backlog, 0, INT_MAX},
    {"send-buffer-size", &Group::send_buffer_size, 512, INT_MAX},
    {"receive-buffer-size", &Group::receive_buffer_size, 512, INT_MAX},
    {"stack-size", &Group::stack_size, 1, INT_MAX},
    {"connect-timeout", &Group::connect_timeout, 0, kSecondsMax},
    {"queue-timeout", &Group::queue_timeout, 0, kSecondsMax},
    {"socket-timeout", &Group::socket_timeout, 0, kSecondsMax},
    {"exchange-timeout", &Group::exchange_timeout, 1, kSecondsMax},
    {"request-timeout", &Group::request_timeout, 0, kSecondsMax},
    {"inactivity-timeout", &Group::inactivity_timeout, 0, kSecondsMax},
    {"startup-timeout", &Group::startup_timeout, 0, kSecondsMax},
    {"graceful-timeout", &Group::graceful_timeout, 0, kSecondsMax},
    {"eviction-timeout", &Group::eviction_timeout, 0, kSecondsMax},
    {"shutdown-timeout", &Group::shutdown_timeout, 0, kSecondsMax},
    {"deadlock-timeout", &Group::deadlock_timeout, 0, kSecondsMax},
    {"restart-interval", &Group::restart_interval, 0, kSecondsMax},
    {"maximum-requests", &Group::maximum_requests, 0, INT_MAX},
};

struct TextOption {
  const char* name;
  const char* Group::*member;
};

constexpr TextOption kTexts[] = {
    {"home", &Group::home},
    {"python-home", &Group::python_home},
    {"python-path", &Group::python_path},
    {"lang", &Group::lang},
    {"locale", &Group::locale},
    {"display-name", &Group::display_name},
    {"script-user", &Group::script_user},
    {"script-group", &Group::script_group},
};

/// "#123" as a number. False if it is a name.
bool numeric_id(const char* value, unsigned& id) { return *value == '#' && absl::SimpleAtoi(value + 1, &id); }

bool find_user(const char* value, uid_t& uid, const char*& name) {
  unsigned id = 0;
  const passwd* const entry = numeric_id(value, id) ? ::getpwuid(id) : ::getpwnam(value);
  if (entry == nullptr) return false;
  uid = entry->pw_uid;
  name = entry->pw_name;
  return true;
}

}  // namespace

bool find_user_id(const char* value, uid_t& uid) {
  const char* name = nullptr;
  return find_user(value, uid, name);
}

bool find_group_id(const char* value, gid_t& gid) {
  unsigned id = 0;
  if (numeric_id(value, id)) {
    // The largest number stands for "unchanged" in system calls, so that no group can have it.
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
  bool known = false;
  if (const char* const wrong = set_number(name, value, known); known) return wrong;
  if (const char* const wrong = set_text(name, value, known); known) return wrong;
  return apr_pstrcat(pool_, "option '", name, "' is not supported", nullptr);
}

const char* DaemonOptionParser::set_number(const char* name, const char* value, bool& known) {
  for (const NumberOption& option : kNumbers) {
    if (std::strcmp(option.name, name) != 0) continue;
    known = true;
    int number = 0;
    const bool valid = absl::SimpleAtoi(value, &number) && number <= option.most &&
                       (number >= option.least || (number == 0 && option.least == 512));
    if (!valid) {
      return apr_psprintf(pool_, "option '%s' must be a number from %d to %d, not '%s'", name, option.least,
                          option.most, value);
    }
    group_.*option.member = number;
    if (option.member == &Group::processes) group_.processes_given = true;
    return nullptr;
  }
  return nullptr;
}

const char* DaemonOptionParser::set_text(const char* name, const char* value, bool& known) {
  for (const TextOption& option : kTexts) {
    if (std::strcmp(option.name, name) != 0) continue;
    known = true;
    group_.*option.member = value;
    return nullptr;
  }
  return nullptr;
}

const char* DaemonOptionParser::set_user(const char* value) {
  const char* name = nullptr;
  if (!find_user(value, group_.uid, name)) return apr_pstrcat(pool_, "there is no user '", value, "'", nullptr);
  group_.user = apr_pstrdup(pool_, name);
  return group_.uid == 0 ? "a daemon process must not run as root" : nullptr;
}

const char* DaemonOptionParser::set_group(const char* value) {
  return find_group_id(value, group_.gid) ? nullptr : apr_pstrcat(pool_, "there is no group '", value, "'", nullptr);
}

const char* DaemonOptionParser::set_umask(const char* value) {
  char* end = nullptr;
  const long mask = std::strtol(value, &end, 8);
  if (*end != '\0' || mask < 0 || mask > 0777) {
    return apr_pstrcat(pool_, "option 'umask' must be an octal number up to 0777, not '", value, "'", nullptr);
  }
  group_.umask = mask;
  return nullptr;
}

const char* DaemonOptionParser::set_server_metrics(const char* value) {
  group_.server_metrics = strcasecmp(value, "On") == 0;
  if (group_.server_metrics || strcasecmp(value, "Off") == 0) return nullptr;
  return apr_pstrcat(pool_, "option 'server-metrics' must be On or Off, not '", value, "'", nullptr);
}

const char* DaemonOptionParser::complete() {
  if (group_.home != nullptr && *group_.home != '/') {
    return apr_pstrcat(pool_, "option 'home' must be an absolute path, not '", group_.home, "'", nullptr);
  }
  if (group_.script_user != nullptr && group_.script_group != nullptr) {
    return "only one of 'script-user' and 'script-group' can be given";
  }
  if (group_.script_user != nullptr && !find_user_id(group_.script_user, group_.script_uid)) {
    return apr_pstrcat(pool_, "there is no user '", group_.script_user, "'", nullptr);
  }
  if (group_.script_group != nullptr && !find_group_id(group_.script_group, group_.script_gid)) {
    return apr_pstrcat(pool_, "there is no group '", group_.script_group, "'", nullptr);
  }
  return nullptr;
}

}  // namespace sluice::apache
