// Memory that goes from call to call: fresh pages would cost more than the work.

#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <new>
#include <utility>

#include "process.h"

namespace zoo {

// Asks the system for huge pages, before the memory is written for the first time: it then comes in few pieces,
// and lies within what the core's table of pages reaches. Pages that the memory shares with its neighbours stay.
inline void prefer_huge_pages([[maybe_unused]] float* data, [[maybe_unused]] size_t size) {
#if defined(MADV_HUGEPAGE)
  const uintptr_t page = 4096, begin = (uintptr_t(data) + page - 1) & -page, end = uintptr_t(data + size) & -page;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

// Blocks of floats that no call holds, for whichever thread asks next. What it keeps depends on what one call
// needs, not on how many threads have called: four blocks as large as the largest, or 64 MB.
class FreeList {
 public:
  struct Block {
    float* data = nullptr;
    size_t size = 0;
  };

  static FreeList& instance() { return PerProcess<FreeList>::instance(); }

  // The smallest block that is kept and holds `size`, unless most of it would lie idle; or else a new one.
  Block take(size_t size) {
    const Block found = find(size);
    return found.data || size == 0 ? found : Block{allocate(size), size};
  }

  // Keeps the block. What has waited longest goes, if it is too much.
  void give(Block block) noexcept {
    if (!block.data) return;
    std::unique_lock<std::mutex> lock(mutex_);
    largest_ = std::max(largest_, block.size);
    kept_[count_++] = block;
    total_ += block.size;
    while (count_ == kMost || total_ > std::max(kAlways, kOfLargest * largest_)) {
      const Block oldest = remove(0);
      lock.unlock();
      free(oldest);
      lock.lock();
    }
  }

 private:
  Block find(size_t size) {
    std::lock_guard<std::mutex> lock(mutex_);
    size_t best = count_;
    for (size_t i = 0; i < count_; ++i) {
      const size_t found = kept_[i].size;
      if (found >= size && found / 2 <= size && (best == count_ || found <= kept_[best].size)) best = i;
    }
    return best < count_ ? remove(best) : Block{};
  }

  Block remove(size_t i) {
    const Block block = kept_[i];
    std::copy(kept_.begin() + i + 1, kept_.begin() + count_, kept_.begin() + i);
    --count_;
    total_ -= block.size;
    return block;
  }

  static float* allocate(size_t size) {
    if (size >= kMapped) return map(size);
    return static_cast<float*>(::operator new(size * sizeof(float), kAlignment));
  }

  static void free(Block block) noexcept {
    if (block.size >= kMapped) return unmap(block);
    ::operator delete(block.data, kAlignment);
  }

  // A large block's pages go back to the system; the heap would keep some for every thread that has freed any.
  static float* map(size_t size) {
    void* data = mmap(nullptr, size * sizeof(float), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    prefer_huge_pages(static_cast<float*>(data), size);
    return static_cast<float*>(data);
  }

  static void unmap(Block block) noexcept { munmap(block.data, block.size * sizeof(float)); }

  static constexpr std::align_val_t kAlignment{64};
  static constexpr size_t kMost = 256, kOfLargest = 4;          // blocks
  static constexpr size_t kAlways = 16 << 20, kMapped = 1 << 18;  // floats
  std::mutex mutex_;
  std::array<Block, kMost> kept_;  // in the order in which they came
  size_t count_ = 0, total_ = 0, largest_ = 0;
};

// Room for floats, aligned; what is in it is left from before.
class Scratch {
 public:
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  ~Scratch() { FreeList::instance().give(block_); }

  float* get(size_t size) {
    if (size > block_.size) {
      FreeList::instance().give(std::exchange(block_, {}));
      block_ = FreeList::instance().take(size);
    }
    return block_.data;
  }

 private:
  FreeList::Block block_;
};

}  // namespace zoo
