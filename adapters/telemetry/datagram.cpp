// SPDX-License-Identifier: Apache-2.0
#include "adapters/telemetry/datagram.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace sluice::telemetry {
namespace {

constexpr std::uint8_t kVersion = 1;

}  // namespace

template <class Integer>
void Datagram::put(Integer value) {
  for (std::size_t i = 0; i < sizeof value; ++i) bytes_.push_back(static_cast<char>((value >> (8 * i)) & 0xFF));
}

void Datagram::put_double(double value) { put(std::bit_cast<std::uint64_t>(value)); }

void Datagram::put_count(std::uint64_t count) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();
  put(static_cast<std::uint32_t>(std::min(count, kMost)));
}

Datagram::Datagram(Kind kind, const Header& header) : bytes_("WSGI") {
  put(kVersion);
  put(static_cast<std::uint8_t>(kind));
  put(std::uint16_t{0});  // flags
  put(header.pid);
  put(header.sequence);
  put_double(header.stamp);
}

void Datagram::begin(Field field, std::uint8_t type) {
  put(static_cast<std::uint16_t>(field));
  put(type);
}

void Datagram::begin_array(Field field, std::uint8_t type, std::size_t size) {
  begin(field, type);
  put(static_cast<std::uint16_t>(size));
}

Datagram& Datagram::add(Field field, std::uint64_t value) {
  begin(field, kUnsigned);
  put(value);
  return *this;
}

Datagram& Datagram::add(Field field, double value) {
  begin(field, kDouble);
  put_double(value);
  return *this;
}

Datagram& Datagram::add(Field field, std::string_view text) {
  if (text.empty()) return *this;
  text = text.substr(0, std::numeric_limits<std::uint16_t>::max());
  begin_array(field, kText, text.size());
  bytes_ += text;
  return *this;
}

}  // namespace sluice::telemetry
