/* A disk that fails: preloaded into px0. While the file that PX0_FAULT names holds the name of a call and an error number, that
   call fails with it. px0 writes its store by pwrite and its sockets otherwise. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

static int fault(const char *call) {
  const char *path = getenv("PX0_FAULT");
  FILE *file = path ? fopen(path, "r") : NULL;
  char name[32] = "";
  int number = 0;
  if (!file) return 0;
  int read = fscanf(file, "%31s %d", name, &number);
  fclose(file);
  if (read != 2 || strcmp(name, call) != 0) return 0;
  errno = number;
  return 1;
}

#define REAL(type, name, ...) ((type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name))

int fsync(int fd) { return fault("sync") ? -1 : REAL(int, fsync, int)(fd); }

int fdatasync(int fd) { return fault("sync") ? -1 : REAL(int, fdatasync, int)(fd); }

int sync_file_range(int fd, off64_t from, off64_t bytes, unsigned flags) {
  return fault("sync") ? -1 : REAL(int, sync_file_range, int, off64_t, off64_t, unsigned)(fd, from, bytes, flags);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  return fault("write") ? -1 : REAL(ssize_t, pwrite64, int, const void *, size_t, off64_t)(fd, data, size, at);
}
