// SPDX-License-Identifier: Apache-2.0
#include "adapters/daemon/log_queue.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::daemon {

void LogQueue::append(LogLevel level, std::string_view text) {
  const std::string payload = encode(LogLine{.level = level, .text = text});
  const FrameHeader header = frame_header(FrameType::kLog, payload.size());
  frames_.emplace_back(bytes_of(header)) += payload;
  bytes_ += frames_.back().size();
}

void LogQueue::add(LogLevel level, std::string_view line) {
  const std::lock_guard lock(mutex_);
  // A line that is longer than the limit is taken when nothing else waits.
  if (bytes_ != 0 && bytes_ + line.size() > kWaitingMax) {
    ++dropped_;
    waiting_.store(true, std::memory_order_relaxed);
    return;
  }
  std::string_view rest = line;
  do {
    append(level, rest.substr(0, kLogTextMax));
    rest.remove_prefix(std::min<std::size_t>(rest.size(), kLogTextMax));
  } while (!rest.empty());
  waiting_.store(true, std::memory_order_relaxed);
}

std::deque<std::string> LogQueue::take(bool report_dropped) {
  const std::lock_guard lock(mutex_);
  if (report_dropped && dropped_ != 0) {
    append(LogLevel::kWarning,
           absl::StrCat("SLC1000: ", std::exchange(dropped_, 0),
                        " line(s) of this request are missing in the log, because they were "
                        "written faster than the server took them; write less, or yield parts of the response"));
  }
  waiting_.store(dropped_ != 0, std::memory_order_relaxed);
  bytes_ = 0;
  return std::exchange(frames_, {});
}

void LogQueue::put_back(std::deque<std::string> frames) {
  if (frames.empty()) return;
  const std::lock_guard lock(mutex_);
  for (const std::string& frame : frames) bytes_ += frame.size();
  if (frames_.empty()) {
    frames_ = std::move(frames);
  } else {
    frames_.insert(frames_.begin(), std::make_move_iterator(frames.begin()), std::make_move_iterator(frames.end()));
  }
  waiting_.store(true, std::memory_order_relaxed);
}

bool decode_frame(std::string_view frame, LogLine& line) {
  FrameHeader header{};
  if (frame.size() < sizeof header) return false;
  std::memcpy(&header, frame.data(), sizeof header);
  return header.type == static_cast<std::uint32_t>(FrameType::kLog) && decode(frame.substr(sizeof header), line);
}

}  // namespace sluice::daemon
