// SPDX-License-Identifier: Apache-2.0
#include "sluice/fork_wiped_memory.hpp"

#include "os/mapping.hpp"

namespace sluice::inline v0_1 {

struct ForkWipedMemory::Mapping : os::Mapping {
  using os::Mapping::Mapping;
};

ForkWipedMemory::ForkWipedMemory(std::size_t bytes)
    : mapping_(std::make_unique<Mapping>(bytes)), data_(mapping_->data()) {}

ForkWipedMemory::~ForkWipedMemory() = default;

bool ForkWipedMemory::inherited() const noexcept { return mapping_->inherited(); }

void ForkWipedMemory::adopt() noexcept { mapping_->adopt(); }

}  // namespace sluice
