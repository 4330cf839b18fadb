// SPDX-License-Identifier: Apache-2.0
// Threads that run one io_context, as many as were last asked for.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cstddef>
#include <list>
#include <mutex>
#include <thread>

class Pool {
 public:
  explicit Pool(boost::asio::io_context& context) : context_(context) {}

  /// Changes the number of threads; `size` is at least 1. Any thread may call it, also one of the pool. A thread that
  /// is to end finishes the handler that it runs, and other threads continue its connections. Throws std::system_error
  /// when no thread can be started.
  void resize(std::size_t size) {
    const std::lock_guard lock(mutex_);
    members_.remove_if([](const Member& member) { return member.ended.load(std::memory_order_acquire); });
    for (; size_ < size; ++size_) start();
    for (; size_ > size && size_ > 1; --size_) boost::asio::post(context_, [] { leaving_ = true; });
  }

  /// Returns when the io_context has nothing left to do.
  void join() {
    for (bool any = true; any;) {
      std::list<Member> members;  // its destructor joins the threads
      const std::lock_guard lock(mutex_);
      members.swap(members_);
      any = !members.empty();
    }
  }

 private:
  struct Member {
    std::atomic<bool> ended{false};
    std::jthread thread;
  };

  void start() {
    Member& member = members_.emplace_back();
    member.thread = std::jthread([this, &member] {
      while (!leaving_ && context_.run_one() > 0) {
      }
      member.ended.store(true, std::memory_order_release);  // the thread does not use the member after this store
    });
  }

  inline static thread_local bool leaving_ = false;

  boost::asio::io_context& context_;
  std::mutex mutex_;
  std::list<Member> members_;
  std::size_t size_ = 0;
};
