// SPDX-License-Identifier: Apache-2.0
// The program that docs/library.md shows. Every way of using the package must compile, link and run it.
#include <sluice/cumulative.hpp>
#include <sluice/encode/exposition.hpp>
#include <sluice/http.hpp>

#include <cstdio>
#include <string>

int main() {
  sluice::http::Recorder recorder({.threads = 8});
  sluice::CumulativeReader scraped(recorder.add_reader());

  sluice::http::Worker worker = recorder.attach();
  sluice::http::InFlight request = worker.begin();
  request.finish({.status = 200, .response_bytes = 512});

  sluice::Window window;
  if (!scraped.read(window).ok()) return 1;
  std::string body;
  sluice::encode::fill(body, [&](std::span<char> out) {
    return sluice::encode::exposition({.window = &window}, {}, out);
  });
  return std::fputs(body.c_str(), stdout) < 0 || window.request_count != 1;
}
