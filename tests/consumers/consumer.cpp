// SPDX-License-Identifier: Apache-2.0
// Every way of using the package must compile, link and run this program.
#include <sluice/cumulative.hpp>
#include <sluice/encode/otlp.hpp>
#include <sluice/recorder.hpp>

int main() {
  sluice::Recorder recorder({.threads = 2});
  sluice::CumulativeReader reader(recorder.add_reader());
  recorder.attach().begin().finish({.status = 200, .request_us = 1700});
  sluice::Window window;
  if (!reader.read(window).ok() || window.request_count != 1) return 1;
  return sluice::encode::otlp({.window = &window}, {}, {}).bytes() > 0 ? 0 : 2;
}
