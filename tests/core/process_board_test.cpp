// SPDX-License-Identifier: Apache-2.0
// Tests what a process publishes for the metrics endpoint, and that a reader survives anything that it writes there.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "adapters/wsgi/schema/process_board.hpp"
#include "adapters/wsgi/schema/recorder.hpp"
#include "tests/catch.hpp"

namespace sluice::test {
namespace {

using wsgi::ProcessBoard;
using wsgi::ProcessState;
using wsgi::RequestInFlight;

constexpr std::size_t kBoardThreads = 3;

/// Zeroed memory for a board, aligned as pages are.
struct BoardMemory {
  BoardMemory() : words(ProcessBoard::bytes(kBoardThreads) / sizeof(Line) + 1) {}

  [[nodiscard]] std::span<std::byte> span() { return {words[0].bytes, ProcessBoard::bytes(kBoardThreads)}; }
  [[nodiscard]] std::vector<RequestInFlight> requests() { return wsgi::requests_in(span(), kBoardThreads); }

  struct alignas(256) Line {
    std::byte bytes[256];
  };
  std::vector<Line> words;
};

}  // namespace

TEST_CASE("process board: a request is listed from its beginning to its end, with its path in one piece") {
  BoardMemory memory;
  const ProcessBoard board(memory.span(), kBoardThreads);
  CHECK(memory.requests().empty());
  board.begin(2, 77, "POST", "/shop", "/cart");
  board.begin(0, 78, "GET", "", "/");
  const std::vector<RequestInFlight> both = memory.requests();
  REQUIRE(both.size() == 2);
  CHECK(both[0].thread_id == 1);
  CHECK(both[0].path == "/");
  CHECK(both[1].thread_id == 3);
  CHECK(both[1].start_ns == 77);
  CHECK(both[1].method == "POST");
  CHECK(both[1].path == "/shop/cart");
  board.end(2);
  CHECK(memory.requests().size() == 1);
  board.begin(2, 79, "GET", "/x", "");
  CHECK(memory.requests()[1].path == "/x");
}

TEST_CASE("process board: texts are cut to their greatest length") {
  BoardMemory memory;
  const ProcessBoard board(memory.span(), kBoardThreads);
  const std::string part(300, 'p');
  board.begin(1, 1, std::string(40, 'M'), part, part);
  const RequestInFlight request = memory.requests().at(0);
  CHECK(request.method == std::string(ProcessBoard::kMethodBytes, 'M'));
  CHECK(request.path == std::string(ProcessBoard::kPathBytes, 'p'));
}

TEST_CASE("process board: the state of a process is the one that it set last, and a number that is none has no name") {
  BoardMemory memory;
  const ProcessBoard board(memory.span(), kBoardThreads);
  CHECK(wsgi::name_of(wsgi::state_in(memory.span())) == "starting");
  board.set_state(ProcessState::kServing);
  CHECK(wsgi::name_of(wsgi::state_in(memory.span())) == "serving");
  board.set_state(ProcessState::kRefusing);
  CHECK(wsgi::name_of(wsgi::state_in(memory.span())) == "refusing");
  std::memset(memory.span().data(), 0xFF, memory.span().size());
  CHECK(wsgi::name_of(wsgi::state_in(memory.span())).empty());
}

TEST_CASE("process board: memory that is too small is neither written nor read") {
  BoardMemory memory;
  const std::span<std::byte> small = memory.span().first(memory.span().size() - 1);
  const ProcessBoard board(small, kBoardThreads);
  board.set_state(ProcessState::kServing);
  board.begin(0, 1, "GET", "", "/");
  board.end(0);
  CHECK(wsgi::requests_in(small, kBoardThreads).empty());
  CHECK(wsgi::requests_in({}, kBoardThreads).empty());
  CHECK(wsgi::state_in({}) == ProcessState::kStarting);
  CHECK(wsgi::state_in(memory.span()) == ProcessState::kStarting);
  std::vector<std::byte> region(wsgi::Recorder::memory_bytes(kBoardThreads));
  wsgi::board_in(region, kBoardThreads).begin(0, 1, "GET", "", "/");  // has no room for a board
}

TEST_CASE("process board: whatever a process writes, its requests are as many as its threads and of bounded length") {
  BoardMemory memory;
  const std::span<std::byte> span = memory.span();
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr auto kHostileWords = std::to_array<std::uint64_t>(
      {0, 2, 300, 0xFFFFFFFF, 0x0000012C0000012C, 0x7FFFFFFFFFFFFFFE, 0x8000000000000000, ~std::uint64_t{0}});
  std::size_t listed = 0;
  for (int round = 0; round < 2000; ++round) {
    for (std::size_t at = 0; at + 8 <= span.size(); at += 8) {
      const std::uint64_t word = random() % 2 != 0 ? random() : kHostileWords[random() % kHostileWords.size()];
      std::memcpy(span.data() + at, &word, sizeof word);
    }
    const std::vector<RequestInFlight> requests = memory.requests();
    listed += requests.size();
    REQUIRE(requests.size() <= kBoardThreads);
    for (const RequestInFlight& request : requests) {
      REQUIRE(request.method.size() <= ProcessBoard::kMethodBytes);
      REQUIRE(request.path.size() <= ProcessBoard::kPathBytes);
    }
  }
  CHECK(listed > 100);
}

}  // namespace sluice::test
