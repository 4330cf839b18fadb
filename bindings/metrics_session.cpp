// SPDX-License-Identifier: Apache-2.0
#include "bindings/metrics_session.hpp"

#include <utility>

namespace sluice::bindings {

/// Held while the list of consumers changes and while readers begin their first windows.
class MetricsSession::Lock {
 public:
  explicit Lock(MetricsSession& session) noexcept : session_(session) {
    if (!session.lock_.lock()) return;
    ++session.list_generation_;
    session.consumers_ = nullptr;
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { session_.lock_.unlock(); }

 private:
  MetricsSession& session_;
};

MetricsSession::~MetricsSession() {
  const Lock lock(*this);
  for (Consumer* consumer = consumers_; consumer != nullptr; consumer = consumer->next_) {
    consumer->session_ = nullptr;
    consumer->reader_.reset();
  }
}

void MetricsSession::start() {
  if (active()) return;
  const Lock lock(*this);
  if (active()) return;
  try {
    reader_.emplace(recorder_->add_reader());
    for (Consumer* consumer = consumers_; consumer != nullptr; consumer = consumer->next_) {
      consumer->reader_ = std::make_shared<WindowReader>(recorder_->add_reader());
    }
  } catch (...) {
    for (Consumer* consumer = consumers_; consumer != nullptr; consumer = consumer->next_) consumer->reader_.reset();
    throw;
  }
  active_.store(true, std::memory_order_release);
}

MetricsSession::Consumer::Consumer(MetricsSession& session) : session_(&session) {
  const Lock lock(session);
  if (session.active()) reader_ = std::make_shared<WindowReader>(session.recorder_->add_reader());
  list_generation_ = session.list_generation_;
  next_ = session.consumers_;
  if (next_ != nullptr) next_->previous_ = this;
  session.consumers_ = this;
}

std::shared_ptr<WindowReader> MetricsSession::Consumer::reader() {
  if (session_ == nullptr) return nullptr;
  const Lock lock(*session_);
  // start() did not reach this consumer when a fork has abandoned the list that held it.
  if (!reader_ && session_->active()) {
    reader_ = std::make_shared<WindowReader>(session_->recorder_->add_reader());
  }
  return reader_;
}

void MetricsSession::Consumer::close() noexcept {
  if (session_ == nullptr) return;
  std::shared_ptr<WindowReader> reader;
  MetricsSession& session = *std::exchange(session_, nullptr);
  const Lock lock(session);
  reader = std::move(reader_);
  if (list_generation_ != session.list_generation_) return;
  if (previous_ != nullptr) previous_->next_ = next_;
  if (next_ != nullptr) next_->previous_ = previous_;
  if (session.consumers_ == this) session.consumers_ = next_;
}

}  // namespace sluice::bindings
