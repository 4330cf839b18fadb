// SPDX-License-Identifier: Apache-2.0
// Counts a request, as a server would.
#include <sluice/http.hpp>

int main() {
  sluice::http::Recorder recorder({.threads = 1});
  sluice::Reader reader = recorder.add_reader();
  recorder.attach().begin().finish({.status = 200});
  const sluice::Result<sluice::Window> window = reader.drain();
  return window.ok() && window->request_count == 1 ? 0 : 1;
}
