// SPDX-License-Identifier: Apache-2.0
// Stand-ins for the few functions of Apache that the module's directives call; APR is the real one. They behave as
// Apache's functions do for these callers: words may be quoted, and errors give a message or null.
#include "tests/fuzz/apache_stand_ins.hpp"

#include <ap_mpm.h>
#include <unixd.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

namespace {

bool is_space(char byte) { return std::isspace(static_cast<unsigned char>(byte)) != 0; }

std::size_t spaces_before(std::string_view text) {
  return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_space) - text.begin());
}

}  // namespace

extern "C" {

unixd_config_rec ap_unixd_config;

/// A quoted word ends at its quote. Within it a backslash escapes a quote of that kind or a backslash.
char* ap_getword_conf(apr_pool_t* pool, const char** line) {
  std::string_view rest = *line;
  rest.remove_prefix(spaces_before(rest));
  std::string word;
  if (!rest.empty() && (rest[0] == '"' || rest[0] == '\'')) {
    const char quote = rest[0];
    rest.remove_prefix(1);
    while (!rest.empty() && rest[0] != quote) {
      const bool escape = rest[0] == '\\' && rest.size() > 1 && (rest[1] == quote || rest[1] == '\\');
      word.push_back(rest[escape ? 1 : 0]);
      rest.remove_prefix(escape ? 2 : 1);
    }
    rest.remove_prefix(rest.empty() ? 0 : 1);
  } else {
    const auto end = std::find_if(rest.begin(), rest.end(), is_space);
    word.assign(rest.begin(), end);
    rest.remove_prefix(word.size());
  }
  rest.remove_prefix(spaces_before(rest));
  *line = rest.data();
  return apr_pstrdup(pool, word.c_str());
}

/// Parts the text at `stop`, of which several count as one.
char* ap_getword(apr_pool_t* pool, const char** line, char stop) {
  const std::string_view rest = *line;
  const std::size_t end = std::min(rest.find(stop), rest.size());
  *line += std::min(rest.find_first_not_of(stop, end), rest.size());
  return apr_pstrmemdup(pool, rest.data(), end);
}

/// Sections have no lines here.
const char* ap_walk_config(ap_directive_t*, cmd_parms*, ap_conf_vector_t*) { return nullptr; }

int ap_state_query(int) { return AP_SQ_NOT_SUPPORTED; }

const char* ap_check_cmd_context(cmd_parms* cmd, unsigned) {
  return cmd->server->is_virtual != 0 ? "not allowed in a virtual host" : nullptr;
}

/// Rejects a pattern whose parentheses are not balanced. No caller matches with the result.
ap_regex_t* ap_pregcomp(apr_pool_t* pool, const char* pattern, int) {
  int open = 0;
  for (const char* at = pattern; *at != '\0' && open >= 0; ++at) open += *at == '(' ? 1 : *at == ')' ? -1 : 0;
  return open == 0 ? static_cast<ap_regex_t*>(apr_pcalloc(pool, sizeof(ap_regex_t))) : nullptr;
}

char* ap_server_root_relative(apr_pool_t* pool, const char* file) {
  char* merged = nullptr;
  const apr_status_t status = apr_filepath_merge(&merged, "/server", file, APR_FILEPATH_TRUENAME, pool);
  return status == APR_SUCCESS ? merged : nullptr;
}

void ap_log_error_(const char*, int, int, int, apr_status_t, const server_rec*, const char*, ...) {}

const char* ap_show_mpm(void) { return "event"; }
}

module_struct AP_MODULE_DECLARE_DATA wsgi_module = {};

namespace sluice::fuzz {
namespace {

/// Returns the handler of a directive with the type that belongs to its kind of arguments.
template <class... Arguments>
const char* call(const command_rec& directive, cmd_parms& cmd, void* directory, Arguments... arguments) {
  using Handler = const char* (*)(cmd_parms*, void*, Arguments...);
  const auto handler = reinterpret_cast<Handler>(reinterpret_cast<void (*)()>(directive.func));
  return handler(&cmd, directory, arguments...);
}

}  // namespace

/// Does as Apache does for the three kinds of arguments that the directives use.
const char* invoke(const command_rec& directive, cmd_parms& cmd, void* directory, const char* arguments) {
  cmd.cmd = &directive;
  cmd.info = directive.cmd_data;
  if (directive.args_how == RAW_ARGS) return call(directive, cmd, directory, arguments);
  const char* const first = ap_getword_conf(cmd.pool, &arguments);
  if (directive.args_how == TAKE1) {
    if (*first == '\0' || *arguments != '\0') return apr_pstrcat(cmd.pool, directive.name, " takes one", nullptr);
    return call<const char*>(directive, cmd, directory, first);
  }
  const char* const second = *arguments != '\0' ? ap_getword_conf(cmd.pool, &arguments) : nullptr;
  if (*first == '\0' || *arguments != '\0') return apr_pstrcat(cmd.pool, directive.name, " takes 1-2", nullptr);
  return call<const char*, const char*>(directive, cmd, directory, first, second);
}

}  // namespace sluice::fuzz
