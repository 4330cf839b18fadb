// SPDX-License-Identifier: Apache-2.0
#include "sluice/series_set.hpp"

#include <stdexcept>

#include "os/shared_region.hpp"
#include "series_labels.hpp"
#include "series_names.hpp"
#include "sluice/recorder_options.hpp"
#include "sluice/registry.hpp"

namespace sluice::inline v0_1 {
namespace {

std::size_t checked(std::size_t most) {
  if (most == 0) throw std::invalid_argument("a set of series has at least one");
  if (most > RecorderOptions::kSeriesMost) throw std::invalid_argument("a set has too many series");
  return most;
}

}  // namespace

SeriesSetBase::SeriesSetBase(const SchemaInfo& schema, std::size_t most)
    : schema_(schema),
      most_(checked(most)),
      names_(std::make_shared<detail::SeriesNames>(most)),
      retired_(Registry::kGroups) {}

Series SeriesSetBase::add(Labels labels) {
  return detail::resolve(*names_, labels, schema_, detail::SeriesNames::IfNew::kAdd);
}

/// A forked process has not inherited what the parent writes.
void SeriesSetBase::close(bool reads) noexcept {
  for (RetiredMemory& memory : retired_) {
    memory.writable = {};
    if (reads) continue;
    os::unmap(memory.readable);
    memory.readable = {};
  }
  names_->close();
}

}  // namespace sluice
