// SPDX-License-Identifier: Apache-2.0
#include "adapters/apache/config/listen_directive.hpp"

#include <sys/un.h>

#include <cstring>
#include <string_view>

#include "adapters/apache/config/config.hpp"
#include "adapters/apache/config/config_error.hpp"
#include "adapters/apache/config/daemon_option_parser.hpp"
#include "adapters/apache/config/directive_arguments.hpp"

namespace sluice::apache {
namespace {

/// Parses three or four octal digits.
bool parse_mode(std::string_view text, mode_t& mode) {
  if (text.size() == 4 && text.front() == '0') text.remove_prefix(1);
  if (text.size() != 3 || text.find_first_not_of("01234567") != std::string_view::npos) return false;
  mode = 0;
  for (const char digit : text) mode = mode * 8 + static_cast<mode_t>(digit - '0');
  return true;
}

const char* set_option(cmd_parms* cmd, const Option& option, ListenSocket& socket) {
  const std::string_view name = option.name;
  if (name == "mode") {
    return parse_mode(option.value, socket.mode)
               ? nullptr
               : error(cmd, "option 'mode' must be three octal digits, such as 660, not '", option.value, "'");
  }
  if (name == "group") {
    return find_group_id(option.value, socket.group) ? nullptr
                                                     : error(cmd, "group '", option.value, "' does not exist");
  }
  return error(cmd, "unknown option '", option.name, "'");
}

}  // namespace

const char* listen_socket(cmd_parms* cmd, void*, const char* line) {
  if (const char* const problem = only_in_main_server(cmd)) return problem;
  const char* const word = ap_getword_conf(cmd->pool, &line);
  ListenSocket socket{.path = *word != '\0' ? ap_server_root_relative(cmd->pool, word) : nullptr};
  if (socket.path == nullptr) return error(cmd, "requires the path of a socket");
  if (std::strlen(socket.path) >= sizeof(sockaddr_un::sun_path)) {
    return error(cmd, "'", socket.path, "' is too long for the path of a socket");
  }
  while (*line != '\0') {
    Option option;
    if (const char* const problem = next_option(cmd, line, option)) return problem;
    if (const char* const problem = set_option(cmd, option, socket)) return problem;
  }
  for (const ListenSocket& other : listen_sockets()) {
    if (std::strcmp(other.path, socket.path) == 0) return error(cmd, "'", socket.path, "' is given twice");
  }
  if (listen_sockets().size() == ListenSocket::kMost) return error(cmd, "there can be 16 sockets at most");
  *static_cast<ListenSocket*>(apr_array_push(process_config().listen_sockets)) = socket;
  return nullptr;
}

}  // namespace sluice::apache
