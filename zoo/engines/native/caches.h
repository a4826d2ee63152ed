// The caches of the machine, which blocks of a product are made for.

#pragma once

#include <unistd.h>

#include <fstream>
#include <string>

namespace zoo {

// Bytes of a core's own cache (L2), asked of the C library, or else of the kernel; or else a modest guess.
inline long second_level_bytes() {
#if defined(ZOO_L2)
  return ZOO_L2;
#endif
#if defined(_SC_LEVEL2_CACHE_SIZE)
  if (const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0) return bytes;
#endif
  for (int index = 0; index < 8; ++index) {
    const std::string folder = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    long level = 0, kilobytes = 0;
    if (std::ifstream(folder + "/level") >> level && level == 2 && std::ifstream(folder + "/size") >> kilobytes)
      return kilobytes << 10;
  }
  return 1 << 20;
}

// Floats of a matrix that stays in a core's own cache from step to step, beside all that passes through.
inline const long kOwnCache = second_level_bytes() / long(sizeof(float)) * 3 / 4;

}  // namespace zoo
