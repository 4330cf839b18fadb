// SPDX-License-Identifier: Apache-2.0
// Forks a process for each connection, as the MPM itk does, without changing its user. The file is named as itk's is in
// the list of modules, because that is how others know it.
#include <httpd.h>

#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int serves_one;

static int fork_process(conn_rec* connection) {
  if (serves_one) return DECLINED;
  const pid_t process = fork();
  if (process < 0) return DECLINED;
  if (process > 0) {
    waitpid(process, NULL, 0);
    apr_socket_close(ap_get_conn_socket(connection));
    return OK;
  }
  serves_one = 1;
  ap_run_process_connection(connection);
  ap_lingering_close(connection);
  exit(0);
}

static void register_hooks(apr_pool_t* pool) {
  (void)pool;
  ap_hook_process_connection(fork_process, NULL, NULL, APR_HOOK_REALLY_FIRST);
}

module AP_MODULE_DECLARE_DATA mpm_itk_module = {MODULE_MAGIC_NUMBER_MAJOR,
                                                MODULE_MAGIC_NUMBER_MINOR,
                                                -1,
                                                "mpm_itk.c",
                                                NULL,
                                                NULL,
                                                MODULE_MAGIC_COOKIE,
                                                NULL,
                                                NULL,
                                                NULL,
                                                NULL,
                                                NULL,
                                                NULL,
                                                register_hooks,
                                                AP_MODULE_FLAG_NONE};
