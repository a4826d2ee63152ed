// What there is one of in a process, and what becomes of it in a child made by fork.

#pragma once

#include <pthread.h>

namespace zoo {

// The one T of this process. A child made by fork has none of its parent's threads, and a lock that one of them
// held would never open: it begins with a fresh T. No T is destroyed: threads may outlive static objects.
template <class T>
class PerProcess {
 public:
  static T& instance() { return *it_; }

 private:
  static T* make() {
    pthread_atfork(nullptr, nullptr, [] { it_ = new T; });
    return new T;
  }

  static inline T* it_ = make();  // when the library is loaded: no fork can come between
};

}  // namespace zoo
