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

using daemon::DaemonOptions;

namespace {

struct NumberOption {
  const char* name;
  int DaemonOptions::*member;
  int least;
  int most;
};

constexpr int kSecondsMax = 10 * 365 * 24 * 3600;
constexpr int kDelayMax = 60'000;  // milliseconds
constexpr int kThreadsMax = 10'000;

constexpr NumberOption kNumbers[] = {
    {"processes", &DaemonOptions::processes, 1, 1'000},
    {"threads", &DaemonOptions::threads, 0, kThreadsMax},
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
    {"inactivity-timeout", &DaemonOptions::inactivity_timeout, 0, kSecondsMax},
    {"startup-timeout", &DaemonOptions::startup_timeout, 0, kSecondsMax},
    {"graceful-timeout", &DaemonOptions::graceful_timeout, 0, kSecondsMax},
    {"eviction-timeout", &DaemonOptions::eviction_timeout, 0, kSecondsMax},
    {"shutdown-timeout", &DaemonOptions::shutdown_timeout, 0, kSecondsMax},
    {"deadlock-timeout", &DaemonOptions::deadlock_timeout, 0, kSecondsMax},
    {"restart-interval", &DaemonOptions::restart_interval, 0, kSecondsMax},
    {"maximum-requests", &DaemonOptions::maximum_requests, 0, INT_MAX},
};

struct TextOption {
  const char* name;
  const char* DaemonOptions::*member;
};

constexpr TextOption kTexts[] = {
    {"home", &DaemonOptions::home},
    {"python-home", &DaemonOptions::python_home},
    {"python-path", &DaemonOptions::python_path},
    {"lang", &DaemonOptions::lang},
    {"locale", &DaemonOptions::locale},
    {"display-name", &DaemonOptions::display_name},
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
  bool recognized = false;
  if (const char* const problem = set_number(name, value, recognized); recognized) return problem;
  if (const char* const problem = set_text(name, value, recognized); recognized) return problem;
  return apr_pstrcat(pool_, "option '", name, "' is not supported", nullptr);
}

const char* DaemonOptionParser::set_number(const char* name, const char* value, bool& recognized) {
  for (const NumberOption& option : kNumbers) {
    if (std::strcmp(option.name, name) != 0) continue;
    recognized = true;
    int number = 0;
    const bool valid = absl::SimpleAtoi(value, &number) && number <= option.most &&
                       (number >= option.least || (number == 0 && option.least == 512));
    if (!valid) {
      return apr_psprintf(pool_, "option '%s' must be a number from %d to %d, not '%s'", name, option.least,
                          option.most, value);
    }
    options_.*option.member = number;
    if (option.member == &DaemonOptions::processes) options_.processes_configured = true;
    return nullptr;
  }
  return nullptr;
}

const char* DaemonOptionParser::set_text(const char* name, const char* value, bool& recognized) {
  for (const TextOption& option : kTexts) {
    if (std::strcmp(option.name, name) != 0) continue;
    recognized = true;
    options_.*option.member = value;
    return nullptr;
  }
  return nullptr;
}

const char* DaemonOptionParser::set_user(const char* value) {
  const char* name = nullptr;
  if (!find_user(value, options_.uid, name)) return apr_pstrcat(pool_, "user '", value, "' does not exist", nullptr);
  options_.user = apr_pstrdup(pool_, name);
  return options_.uid == 0 ? "a daemon process must not run as root" : nullptr;
}

const char* DaemonOptionParser::set_group(const char* value) {
  return find_group_id(value, options_.gid) ? nullptr
                                            : apr_pstrcat(pool_, "group '", value, "' does not exist", nullptr);
}

const char* DaemonOptionParser::set_umask(const char* value) {
  char* end = nullptr;
  const long mask = std::strtol(value, &end, 8);
  if (*end != '\0' || mask < 0 || mask > 0777) {
    return apr_pstrcat(pool_, "option 'umask' must be an octal number up to 0777, not '", value, "'", nullptr);
  }
  options_.umask = mask;
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
    return apr_pstrcat(pool_, "user '", options_.script_user, "' does not exist", nullptr);
  }
  if (options_.script_group != nullptr && !find_group_id(options_.script_group, options_.script_gid)) {
    return apr_pstrcat(pool_, "group '", options_.script_group, "' does not exist", nullptr);
  }
  return nullptr;
}

}  // namespace sluice::apache
