// Threads: a few that sleep until there is a job. A job is a number of pieces; whoever is awake takes the
// next one. The caller takes part, so a job ends even if no helper ever gets a core.

#pragma once

#include <algorithm>
#include <atomic>
#include <cfenv>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "process.h"

#if defined(__linux__)
#include <sched.h>
#endif

namespace zoo {

// One of several equal shares of n things: those from begin(n) to end(n).
struct Part {
  int number = 0, of = 1;

  long begin(long n) const { return n * number / of; }
  long end(long n) const { return n * (number + 1) / of; }
};

// Linux likes to wake a thread on the core of the one that wakes it, where it waits until that one is done:
// a job would run in one thread after the other. A thread may run wherever the caller may, but not here.
inline void keep_off_this_core(std::thread& thread) {
#if defined(__linux__)
  cpu_set_t cores;
  if (sched_getaffinity(0, sizeof cores, &cores) || CPU_COUNT(&cores) < 2) return;
  CPU_CLR(sched_getcpu(), &cores);
  pthread_setaffinity_np(thread.native_handle(), sizeof cores, &cores);
#endif
}

class Pool {
 public:
  static Pool& instance() { return PerProcess<Pool>::instance(); }

  // work(0) … work(pieces − 1), on at most `threads` threads. Throws what one of them threw; the others may
  // then be left out.
  void run(long pieces, int threads, const std::function<void(long)>& work) {
    const int helpers = int(std::min<long>(threads, pieces)) - 1;
    if (helpers <= 0) {
      for (long piece = 0; piece < pieces; ++piece) work(piece);
      return;
    }
    auto job = std::make_shared<Job>(pieces, work);
    offer(job, helpers);
    job->take_part();
    job->wait();
  }

 private:
  struct Job {
    Job(long pieces, const std::function<void(long)>& work) : pieces(pieces), work(work) {
      std::fegetenv(&arithmetic);
    }

    void take_part() {
      for (long piece; (piece = next++) < pieces;) {
        const std::exception_ptr thrown = attempt(piece);
        std::lock_guard<std::mutex> lock(mutex);
        if (thrown && !error) error = thrown;
        if (++done == pieces) finished.notify_one();
      }
    }

    std::exception_ptr attempt(long piece) {
      try {
        if (!failed) work(piece);
        return nullptr;
      } catch (...) {
        failed = true;
        return std::current_exception();
      }
    }

    void wait() {
      std::unique_lock<std::mutex> lock(mutex);
      finished.wait(lock, [this] { return done == pieces; });
      if (error) std::rethrow_exception(std::exchange(error, nullptr));
    }

    const long pieces;
    const std::function<void(long)>& work;  // a helper that comes late sees next ≥ pieces and never calls it
    std::fenv_t arithmetic;  // how the caller treats denormals: the result must not depend on the thread
    std::atomic<long> next{0};
    std::atomic<bool> failed{false};
    long done = 0;
    std::exception_ptr error;
    std::mutex mutex;
    std::condition_variable finished;
  };

  // Where no more threads or no more memory can be had, those that are there do, or the caller alone.
  void offer(const std::shared_ptr<Job>& job, int helpers) {
    int offered = 0;
    try {
      std::lock_guard<std::mutex> lock(mutex_);
      grow(helpers);
      for (std::thread& thread : threads_) keep_off_this_core(thread);
      for (; offered < std::min(helpers, int(threads_.size())); ++offered) jobs_.push_back(job);
    } catch (const std::bad_alloc&) {
    }
    for (int i = 0; i < offered; ++i) wake_.notify_one();
  }

  void grow(int helpers) {
    try {
      while (int(threads_.size()) < helpers) threads_.emplace_back([this] { help(); });
    } catch (const std::system_error&) {
    }
  }

  void help() {
    for (;;) {
      std::unique_lock<std::mutex> lock(mutex_);
      wake_.wait(lock, [this] { return !jobs_.empty(); });
      std::shared_ptr<Job> job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      std::fesetenv(&job->arithmetic);
      job->take_part();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::vector<std::thread> threads_;
};

inline void rest() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Threads that go through the same phases together: every phase is cut into parts, and no thread goes on
// before all of them are done.
class Team {
 public:
  explicit Team(int parts) : parts_(parts), begun_(parts) {}

  int size() const { return parts_; }

  // work(part), if nobody has begun that part of this phase. A part that throws counts as done, so that nobody
  // waits for it; Pool::run then throws, and what was computed after it is of no account.
  template <class Work>
  bool attempt(long phase, int part, const Work& work) {
    long before = phase - 1;
    if (!begun_[part].count.compare_exchange_strong(before, phase)) return false;
    const AtEnd count([this] { done_.count.fetch_add(1); });
    work(Part{part, parts_});
    return true;
  }

  bool finished(long phase) const { return done_.count >= phase * parts_; }

 private:
  struct alignas(64) Counter {  // a cache line each
    std::atomic<long> count{0};
  };

  template <class Action>
  struct AtEnd {
    explicit AtEnd(Action action) : action(action) {}
    ~AtEnd() { action(); }
    const Action action;
  };

  const int parts_;
  std::vector<Counter> begun_;  // the last phase in which somebody took this part
  Counter done_;                // parts, of all phases
};

// One thread's way through the phases of its team. It does its own part, whose weights its own cache holds;
// after a short wait also those that nobody has begun, so that a thread without a core holds up nobody. A
// thread that comes late finds the phases done and passes through.
class Member {
 public:
  Member(Team& team, int part) : team_(team), part_(part) {}

  template <class Work>
  void together(const Work& work) {
    team_.attempt(++phase_, part_, work);
    if (!wait(patience_)) help(work);
    while (!wait(kLong)) std::this_thread::yield();
  }

  template <class Work>
  void once(const Work& work) {
    together([&](Part part) { if (part.number == 0) work(); });
  }

 private:
  bool wait(int rests) const {
    while (!team_.finished(phase_)) {
      if (rests-- == 0) return false;
      rest();
    }
    return true;
  }

  // Whoever had to help once does not wait before it helps again, until it comes too late.
  template <class Work>
  void help(const Work& work) {
    bool helped = false;
    for (int part = 0; part < team_.size(); ++part) helped |= team_.attempt(phase_, part, work);
    patience_ = helped ? 0 : kPatience;
  }

  static constexpr int kPatience = 100, kLong = 3000;  // rests, of some ten nanoseconds each
  Team& team_;
  const int part_;
  long phase_ = 0;
  int patience_ = kPatience;
};

}  // namespace zoo
