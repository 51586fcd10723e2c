// Interposed by LD_PRELOAD: WRITE_FAULT=enospc:N lets the N-th write to a file, and every one after it, fail as on a
// full disk; WRITE_FAULT=eio:N lets the N-th write, flush, change of size or rename alone fail as on a broken one. Then
// the file that WRITE_FAULT_MARK names is made, so that a test knows that it came so far. WRITE_FAULT_COUNT names a
// file that gets how many there were. Standard streams are left alone.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static long calls;

__attribute__((destructor)) static void save_count(void) {
  const char* path = getenv("WRITE_FAULT_COUNT");
  if (path == NULL) return;
  char text[32];
  const int size = snprintf(text, sizeof(text), "%ld", calls);
  const int file = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
  syscall(SYS_write, file, text, size);
  syscall(SYS_close, file);
}

static int strikes(long number) {
  const char* order = getenv("WRITE_FAULT");
  if (order == NULL) return 0;
  const int full = strncmp(order, "enospc:", 7) == 0;
  const long at = atol(strchr(order, ':') + 1);
  if (full ? number < at : number != at) return 0;
  const char* mark = getenv("WRITE_FAULT_MARK");
  if (mark != NULL) syscall(SYS_close, syscall(SYS_openat, AT_FDCWD, mark, O_CREAT | O_WRONLY, 0600));
  errno = full ? ENOSPC : EIO;
  return 1;
}

static int next_fails(void) { return strikes(__atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED)); }

// Of a write to a file.
static int write_fails(int descriptor) {
  struct stat status;
  if (descriptor <= 2 || fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return next_fails();
}

// Of what needs no room on the disk.
static int other_fails(void) {
  const char* order = getenv("WRITE_FAULT");
  return order != NULL && strncmp(order, "eio:", 4) == 0 && next_fails();
}

ssize_t write(int descriptor, const void* bytes, size_t count) {
  return write_fails(descriptor) ? -1 : syscall(SYS_write, descriptor, bytes, count);
}
ssize_t pwrite(int descriptor, const void* bytes, size_t count, off_t offset) {
  return write_fails(descriptor) ? -1 : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}
ssize_t pwrite64(int descriptor, const void* bytes, size_t count, off64_t offset) {
  return write_fails(descriptor) ? -1 : syscall(SYS_pwrite64, descriptor, bytes, count, offset);
}
int fsync(int descriptor) { return other_fails() ? -1 : (int)syscall(SYS_fsync, descriptor); }
int fdatasync(int descriptor) { return other_fails() ? -1 : (int)syscall(SYS_fdatasync, descriptor); }
int ftruncate(int descriptor, off_t size) { return other_fails() ? -1 : (int)syscall(SYS_ftruncate, descriptor, size); }
int ftruncate64(int descriptor, off64_t size) {
  return other_fails() ? -1 : (int)syscall(SYS_ftruncate, descriptor, size);
}
int rename(const char* from, const char* to) { return other_fails() ? -1 : (int)syscall(SYS_rename, from, to); }
