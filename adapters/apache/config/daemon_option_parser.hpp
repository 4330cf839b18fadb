// SPDX-License-Identifier: Apache-2.0
// The parser of the options of WSGIDaemonProcess.
#pragma once

#include <cstdint>

#include "adapters/apache/server/server.hpp"
#include "adapters/daemon/daemon_options.hpp"

namespace sluice::apache {

/// Finds the id of a user or group by its name or #number. Returns false when there is none.
[[nodiscard]] bool find_user_id(const char* value, uid_t& uid);
[[nodiscard]] bool find_group_id(const char* value, gid_t& gid);

class DaemonOptionParser {
 public:
  /// The parser fills `options`, whose name is already set.
  DaemonOptionParser(apr_pool_t* pool, daemon::DaemonOptions& options) noexcept : pool_(pool), options_(options) {}

  /// Sets one option. Returns null, or an error.
  [[nodiscard]] const char* set(const char* name, const char* value);

  /// Checks the options together, and finds the ids of the owners of scripts. Returns null, or an error.
  [[nodiscard]] const char* complete();

 private:
  [[nodiscard]] const char* set_number(const char* name, const char* value, bool& recognized);
  [[nodiscard]] const char* set_size(const char* name, const char* value, bool& recognized);
  [[nodiscard]] const char* set_obsolete(const char* name, const char* value, bool& recognized);
  [[nodiscard]] bool parse_option(const char* name, const char* value, std::int64_t& number);
  [[nodiscard]] const char* set_text(const char* name, const char* value, bool& recognized);
  [[nodiscard]] const char* set_user(const char* value);
  [[nodiscard]] const char* set_group(const char* value);
  [[nodiscard]] const char* set_socket_user(const char* value);
  [[nodiscard]] const char* set_supplementary_groups(const char* value);
  [[nodiscard]] const char* set_switch_interval(const char* value);
  [[nodiscard]] const char* set_umask(const char* value);
  [[nodiscard]] const char* set_server_metrics(const char* value);

  apr_pool_t* pool_;
  daemon::DaemonOptions& options_;
};

}  // namespace sluice::apache
