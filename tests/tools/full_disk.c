// Interposed by LD_PRELOAD: FULL_DISK_FREE=N lets statvfs report N free bytes; with FULL_DISK_WRITES=N the bytes
// written to regular files after the first N fail with ENOSPC.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <unistd.h>

static long long written;

static int is_full(int descriptor, size_t count) {
  const char* budget = getenv("FULL_DISK_WRITES");
  struct stat status;
  if (budget == NULL || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return __atomic_add_fetch(&written, (long long)count, __ATOMIC_RELAXED) > atoll(budget);
}

#define INTERPOSE_PWRITE(name)                                                                     \
  ssize_t name(int descriptor, const void* bytes, size_t count, off_t offset) {                    \
    static ssize_t (*next)(int, const void*, size_t, off_t);                                       \
    if (next == NULL) next = (ssize_t(*)(int, const void*, size_t, off_t))dlsym(RTLD_NEXT, #name); \
    if (is_full(descriptor, count)) {                                                              \
      errno = ENOSPC;                                                                              \
      return -1;                                                                                   \
    }                                                                                              \
    return next(descriptor, bytes, count, offset);                                                 \
  }
INTERPOSE_PWRITE(pwrite)
INTERPOSE_PWRITE(pwrite64)

static ssize_t write_through(int descriptor, const void* bytes, size_t count) {
  static ssize_t (*next)(int, const void*, size_t);
  if (next == NULL) next = (ssize_t(*)(int, const void*, size_t))dlsym(RTLD_NEXT, "write");
  return next(descriptor, bytes, count);
}

ssize_t write(int descriptor, const void* bytes, size_t count) {
  if (is_full(descriptor, count)) {
    errno = ENOSPC;
    return -1;
  }
  return write_through(descriptor, bytes, count);
}

#define INTERPOSE_STATVFS(name, type)                                                     \
  int name(const char* path, struct type* status) {                                       \
    static int (*next)(const char*, struct type*);                                        \
    if (next == NULL) next = (int (*)(const char*, struct type*))dlsym(RTLD_NEXT, #name); \
    const int result = next(path, status);                                                \
    const char* free_bytes = getenv("FULL_DISK_FREE");                                    \
    if (free_bytes != NULL) {                                                             \
      status->f_frsize = 1;                                                               \
      status->f_bavail = (unsigned long)atoll(free_bytes);                                \
    }                                                                                     \
    return result;                                                                        \
  }
INTERPOSE_STATVFS(statvfs, statvfs)
INTERPOSE_STATVFS(statvfs64, statvfs64)
