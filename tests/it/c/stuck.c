/* A disk that does not answer: preloaded into a program, it lets whatever that asks of the files whose paths begin
 * with $STUCK_FILES wait as long as there is a file $STUCK_WHILE.
 *
 * What the program asks for without waiting is refused, as by a kernel that does not know how: what is in memory
 * would be had whatever the disk does. Those calls are made past the C library. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static const char *files, *while_there;

__attribute__((constructor)) static void begin(void) {
    files = getenv("STUCK_FILES");
    while_there = getenv("STUCK_WHILE");
    struct sock_filter refuse[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_preadv2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof refuse / sizeof refuse[0], refuse};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("stuck.c: calls that do not wait cannot be refused");
        _exit(9);
    }
}

static int is_stuck(void) { return files && while_there && access(while_there, F_OK) == 0; }

static void wait_for(const char *path) {
    if (strncmp(path, files, strlen(files)) == 0)
        while (is_stuck())
            usleep(2000);
}

static void wait_for_path(const char *path) {
    int before = errno;
    char whole[2 * PATH_MAX];
    if (is_stuck() && path) {
        if (path[0] == '/')
            wait_for(path);
        else if (getcwd(whole, PATH_MAX) && strlen(path) < PATH_MAX)
            wait_for(strcat(strcat(whole, "/"), path));
    }
    errno = before;
}

static void wait_for_open(int fd) {
    int before = errno;
    char link[64], path[PATH_MAX];
    if (is_stuck()) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(link, path, sizeof path - 1);
        if (length > 0) {
            path[length] = 0;
            wait_for(path);
        }
    }
    errno = before;
}

/* REAL(name): the function that this one stands in front of. */
#define REAL(name)                                                                                                     \
    static __typeof__(name) *real;                                                                                     \
    if (!real)                                                                                                         \
        real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        REAL(name);                                                                                                    \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                        \
        va_end(more);                                                                                                  \
        wait_for_path(path);                                                                                           \
        return real(path, flags, mode);                                                                                \
    }
OPEN(open)
OPEN(open64)

int statx(int folder, const char *path, int flags, unsigned mask, struct statx *found) {
    REAL(statx);
    if (path[0])
        wait_for_path(path);
    else
        wait_for_open(folder);
    return real(folder, path, flags, mask, found);
}

/* Locks are asked of the files' system, all else is known at home. */
#define CONTROL(name)                                                                                                  \
    int name(int fd, int command, ...) {                                                                               \
        REAL(name);                                                                                                    \
        va_list more;                                                                                                  \
        va_start(more, command);                                                                                       \
        void *argument = va_arg(more, void *);                                                                         \
        va_end(more);                                                                                                  \
        if (command == F_SETLK || command == F_SETLKW || command == F_GETLK)                                           \
            wait_for_open(fd);                                                                                         \
        return real(fd, command, argument);                                                                            \
    }
CONTROL(fcntl)
CONTROL(fcntl64)

#define ON_OPEN(result, name, declared, ...)                                                                           \
    result name declared {                                                                                             \
        REAL(name);                                                                                                    \
        wait_for_open(fd);                                                                                             \
        return real(__VA_ARGS__);                                                                                      \
    }
ON_OPEN(ssize_t, read, (int fd, void *to, size_t count), fd, to, count)
ON_OPEN(ssize_t, pread, (int fd, void *to, size_t count, off_t at), fd, to, count, at)
ON_OPEN(ssize_t, pread64, (int fd, void *to, size_t count, off64_t at), fd, to, count, at)
ON_OPEN(ssize_t, write, (int fd, const void *from, size_t count), fd, from, count)
ON_OPEN(ssize_t, pwrite, (int fd, const void *from, size_t count, off_t at), fd, from, count, at)
ON_OPEN(ssize_t, pwrite64, (int fd, const void *from, size_t count, off64_t at), fd, from, count, at)
ON_OPEN(int, fsync, (int fd), fd)
ON_OPEN(int, fdatasync, (int fd), fd)
