#include "bindings/recording.hpp"

#include <unistd.h>

#include <thread>
#include <utility>

namespace sluice::bindings {

/// Held for a few steps, and for the cuts that readers begin with.
class Recording::Lock {
 public:
  explicit Lock(Recording& recording) noexcept : recording_(recording) {
    const auto me = static_cast<std::uint32_t>(::getpid());
    for (;;) {
      std::uint32_t holder = 0;
      if (recording.locked_by_.compare_exchange_strong(holder, me, std::memory_order_acquire)) return;
      if (holder != me && recording.locked_by_.compare_exchange_strong(holder, me, std::memory_order_acquire)) {
        ++recording.list_;
        recording.consumers_ = nullptr;
        return;
      }
      std::this_thread::yield();
    }
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { recording_.locked_by_.store(0, std::memory_order_release); }

 private:
  Recording& recording_;
};

Recording::~Recording() {
  const Lock lock(*this);
  for (Consumer* each = consumers_; each != nullptr; each = each->next_) {
    each->recording_ = nullptr;
    each->reader_.reset();
  }
}

void Recording::start() {
  if (active()) return;
  const Lock lock(*this);
  if (active()) return;
  try {
    reader_.emplace(recorder_->add_reader());
    for (Consumer* each = consumers_; each != nullptr; each = each->next_) {
      each->reader_ = std::make_shared<Reader>(recorder_->add_reader());
    }
  } catch (...) {
    for (Consumer* each = consumers_; each != nullptr; each = each->next_) each->reader_.reset();
    throw;
  }
  active_.store(true, std::memory_order_release);
}

Recording::Consumer::Consumer(Recording& recording) : recording_(&recording) {
  const Lock lock(recording);
  if (recording.active()) reader_ = std::make_shared<Reader>(recording.recorder_->add_reader());
  list_ = recording.list_;
  next_ = recording.consumers_;
  if (next_ != nullptr) next_->previous_ = this;
  recording.consumers_ = this;
}

std::shared_ptr<Reader> Recording::Consumer::reader() {
  if (recording_ == nullptr) return nullptr;
  const Lock lock(*recording_);
  // One that was left behind by a fork did not hear of the start.
  if (!reader_ && recording_->active()) {
    reader_ = std::make_shared<Reader>(recording_->recorder_->add_reader());
  }
  return reader_;
}

void Recording::Consumer::close() noexcept {
  if (recording_ == nullptr) return;
  std::shared_ptr<Reader> reader;
  Recording& recording = *std::exchange(recording_, nullptr);
  const Lock lock(recording);
  reader = std::move(reader_);
  if (list_ != recording.list_) return;
  if (previous_ != nullptr) previous_->next_ = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  if (recording.consumers_ == this) recording.consumers_ = next_;
}

}  // namespace sluice::bindings
