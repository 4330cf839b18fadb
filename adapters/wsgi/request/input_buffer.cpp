// SPDX-License-Identifier: Apache-2.0
#include "adapters/wsgi/request/input_buffer.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>

#include "sluice/clock.hpp"

namespace sluice::wsgi {
namespace {

constexpr std::size_t kChunkBytes = 32 * 1024;
/// Memory reserved at first for a long read. A request that declares more has to send this much before more is
/// reserved.
constexpr std::size_t kFirstBytes = 4 * 1024 * 1024;

}  // namespace

template <class Read>
absl::StatusOr<std::size_t> InputBuffer::read_once(Read&& read) {
  const std::uint64_t start_ns = monotonic_ns();
  absl::StatusOr<std::size_t> size = read();
  measurement_.input_ns += monotonic_ns() - start_ns;
  if (absl::IsUnavailable(size.status())) return size;
  ++measurement_.done.input_reads;
  if (!size.ok()) broken_ = size.status();
  measurement_.done.input_bytes += size.value_or(0);
  return size;
}

template <class Read>
bool InputBuffer::buffer_once(Read&& read) {
  if (!broken_.ok() || ended_) return false;
  if (consumed_ == buffer_.size()) {
    buffer_.clear();
    consumed_ = 0;
  }
  const std::size_t old_size = buffer_.size();
  buffer_.resize(old_size + kChunkBytes);
  const absl::StatusOr<std::size_t> size = read_once([&] { return read(absl::MakeSpan(buffer_).subspan(old_size)); });
  buffer_.resize(old_size + size.value_or(0));
  ended_ = size.ok() && *size == 0;
  return size.ok();
}

absl::Status InputBuffer::fill() {
  const std::lock_guard lock(exchange_.io_mutex());
  buffer_once([this](absl::Span<char> into) { return exchange_.read(into, 1); });
  return broken_;
}

/// Buffers bytes that have arrived until `enough()`, at most one chunk, because further bytes are read without the GIL.
/// Buffers nothing while another thread uses the exchange. Returns whether a read needs no waiting.
template <class Enough>
bool InputBuffer::buffer_until(Enough&& enough) {
  if (enough()) return true;
  const std::unique_lock lock(exchange_.io_mutex(), std::try_to_lock);
  if (!lock.owns_lock()) return false;
  while (!enough()) {
    if (buffered() >= kChunkBytes) return false;
    if (!buffer_once([this](absl::Span<char> into) { return exchange_.read_arrived(into); })) return !broken_.ok();
  }
  return true;
}

bool InputBuffer::available(std::size_t limit) {
  return buffer_until([&] { return ended_ || buffered() >= limit; });
}

bool InputBuffer::line_available(std::size_t limit) {
  return buffer_until(
      [&] { return ended_ || buffered() >= limit || buffer_.find('\n', consumed_) != std::string::npos; });
}

std::size_t InputBuffer::bytes_to_read(std::size_t limit, std::size_t already) const {
  if (ended_ || buffered() >= limit) return std::min(limit, buffered());
  const std::uint64_t declared = exchange_.declared_length();
  const std::uint64_t received = measurement_.done.input_bytes;
  if (declared <= received) return std::min(limit, std::max(kChunkBytes, already));
  const std::size_t most = std::min(limit, std::max(kFirstBytes, already));
  const std::uint64_t to_come = declared - received;
  return to_come < most ? std::min<std::uint64_t>(most, buffered() + to_come + 1) : most;
}

std::size_t InputBuffer::take(absl::Span<char> into) {
  const std::size_t size = std::min(into.size(), buffered());
  std::memcpy(into.data(), buffer_.data() + consumed_, size);
  consumed_ += size;
  if (consumed_ > kChunkBytes) {
    buffer_.erase(0, consumed_);
    consumed_ = 0;
  }
  return size;
}

absl::StatusOr<std::size_t> InputBuffer::read(absl::Span<char> into) {
  std::size_t size = take(into);
  while (size < into.size()) {
    const absl::Span<char> rest = into.subspan(size);
    if (!broken_.ok()) return broken_;
    if (ended_) break;
    if (rest.size() >= kChunkBytes) {
      const std::lock_guard lock(exchange_.io_mutex());
      absl::StatusOr<std::size_t> more = read_once([&] { return exchange_.read(rest, rest.size()); });
      if (!more.ok()) return more;
      ended_ = *more == 0;
      size += *more;
    } else {
      if (absl::Status status = fill(); !status.ok()) return status;
      size += take(rest);
    }
  }
  return size;
}

std::string InputBuffer::take_line(std::size_t size) {
  std::string line(size, '\0');
  take(absl::MakeSpan(line));
  return line;
}

absl::StatusOr<std::string> InputBuffer::read_line(std::size_t limit) {
  std::size_t searched = 0;
  while (true) {
    const std::size_t available = buffer_.size() - consumed_;
    const std::size_t end = buffer_.find('\n', consumed_ + searched);
    if (end != std::string::npos) return take_line(std::min(end + 1 - consumed_, limit));
    if (available >= limit || ended_) return take_line(std::min(available, limit));
    searched = available;
    if (absl::Status status = fill(); !status.ok()) return status;
  }
}

}  // namespace sluice::wsgi
