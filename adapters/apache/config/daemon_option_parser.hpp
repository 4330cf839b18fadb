// The options of WSGIDaemonProcess.
#pragma once

#include "adapters/apache/server.hpp"
#include "adapters/daemon/daemon_options.hpp"

namespace sluice::apache {

/// The id of a user or group, given by name or as #number. False if there is none.
[[nodiscard]] bool find_user_id(const char* value, uid_t& uid);
[[nodiscard]] bool find_group_id(const char* value, gid_t& gid);

class DaemonOptionParser {
 public:
  /// Fills options that have the name of their group already.
  DaemonOptionParser(apr_pool_t* pool, daemon::DaemonOptions& options) noexcept : pool_(pool), options_(options) {}

  /// Null, or what is wrong.
  [[nodiscard]] const char* set(const char* name, const char* value);

  /// Null, or what is wrong with all of them together. Finds the ids of the owners of scripts.
  [[nodiscard]] const char* complete();

 private:
  [[nodiscard]] const char* set_number(const char* name, const char* value, bool& recognized);
  [[nodiscard]] const char* set_text(const char* name, const char* value, bool& recognized);
  [[nodiscard]] const char* set_user(const char* value);
  [[nodiscard]] const char* set_group(const char* value);
  [[nodiscard]] const char* set_umask(const char* value);
  [[nodiscard]] const char* set_server_metrics(const char* value);

  apr_pool_t* pool_;
  daemon::DaemonOptions& options_;
};

}  // namespace sluice::apache
