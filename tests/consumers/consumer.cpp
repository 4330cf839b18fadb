// SPDX-License-Identifier: Apache-2.0
// Every way of using the package must compile, link and run this program.
#include <sluice/cumulative.hpp>
#include <sluice/encode/otlp.hpp>
#include <sluice/http.hpp>

int main() {
  sluice::http::Recorder recorder({.threads = 2});
  sluice::CumulativeReader reader(recorder.add_reader());
  recorder.attach().begin().finish({.status = 200});
  sluice::Window window;
  if (!reader.read(window).ok() || window.request_count != 1) return 1;
  return sluice::encode::otlp({.window = &window}, {}, {}).bytes() > 0 ? 0 : 2;
}
