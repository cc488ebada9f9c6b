/* Starting worker processes and ending them.
 *
 * posix_spawn shares the host's memory with the child until it execs, and runs none of the host's code there, so it is
 * safe in a host with threads. Ending looks at each pid alone (never wait(-1)), and bears a host that ignores SIGCHLD
 * or reaps our children itself: a pid is signalled only while the system says it is still our child. */
#include "transport/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

#define FD_LEAST 10 /* our ends keep away from the numbers that dup2 puts the child's on, and from closed 0, 1, 2 */

extern char **environ;

/* ends[0] is ours, ends[1] the child's. */
typedef struct ends {
    int socket[2], log[2];
} ends;

static void close_pair(int pair[2])
{
    for (int i = 0; i < 2; i++)
        if (pair[i] >= 0)
            close(pair[i]);
}

static int raise_fd(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, FD_LEAST);
    if (high < 0) {
        if (errno == EINVAL)
            errno = EMFILE; /* the limit of open files is below FD_LEAST */
        return -1;
    }
    close(*fd);
    *fd = high;
    return 0;
}

static int open_ends(ends *e, sdf_error **err)
{
    *e = (ends){{-1, -1}, {-1, -1}};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->socket) || pipe2(e->log, O_CLOEXEC) ||
        raise_fd(&e->socket[0]) || raise_fd(&e->socket[1]) || raise_fd(&e->log[0]) || raise_fd(&e->log[1]) ||
        fcntl(e->socket[0], F_SETFL, O_NONBLOCK) || fcntl(e->log[0], F_SETFL, O_NONBLOCK)) {
        int number = errno;
        close_pair(e->socket);
        close_pair(e->log);
        int rc = error_errno(err, number, "process: could not make the socket of a worker");
        if (number == EMFILE || number == ENFILE)
            error_hint(err, "raise the limit of open files (ulimit -n), or use fewer workers");
        return rc;
    }
    return SDF_OK;
}

static int make_token(char token[PROCESS_TOKEN], sdf_error **err)
{
    unsigned char bytes[(PROCESS_TOKEN - 1) / 2];
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return error_errno(err, errno, "process: no random bytes for the token of a worker");
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(token + 2 * i, 3, "%02x", bytes[i]);
    return SDF_OK;
}

/* The host's environment with our variable in it; the strings are borrowed. NULL: no memory. */
static char **make_environment(char *ours)
{
    size_t n = 0;
    while (environ && environ[n])
        n++;
    char **copy = malloc((n + 2) * sizeof(*copy));
    if (!copy)
        return NULL;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], PROCESS_ENV "=", sizeof(PROCESS_ENV)) != 0)
            copy[kept++] = environ[i];
    copy[kept++] = ours;
    copy[kept] = NULL;
    return copy;
}

/* The name this program was started by. */
static void own_name(char *name, size_t size)
{
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, name, size - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n > 0 && name[0])
        name[n] = 0; /* the arguments follow its NUL */
    else
        snprintf(name, size, "%s", program_invocation_name);
}

static int set_up(posix_spawn_file_actions_t *files, posix_spawnattr_t *attr, const ends *e)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int n = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    n = n ? n : posix_spawn_file_actions_adddup2(files, e->log[1], STDOUT_FILENO);
    n = n ? n : posix_spawn_file_actions_adddup2(files, e->log[1], STDERR_FILENO);
    n = n ? n : posix_spawn_file_actions_adddup2(files, e->socket[1], PROCESS_SOCKET);
    n = n ? n : posix_spawn_file_actions_addclosefrom_np(files, PROCESS_SOCKET + 1);
    n = n ? n : posix_spawnattr_setsigdefault(attr, &all);
    n = n ? n : posix_spawnattr_setsigmask(attr, &none);
    n = n ? n : posix_spawnattr_setpgroup(attr, 0);
    return n ? n
             : posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
}

/* An errno. */
static int run(const process_options *o, const ends *e, char **environment, pid_t *pid)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    char name[4096];
    char *self[] = {name, NULL};
    own_name(name, sizeof(name));
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attr);
    int number = set_up(&files, &attr, e);
    if (!number && o->command) {
        number = posix_spawnp(pid, o->command[0], &files, &attr, o->command, environment);
    } else if (!number) {
        number = posix_spawn(pid, "/proc/self/exe", &files, &attr, self, environment);
        if (number == ENOENT || number == EACCES)
            number = posix_spawnp(pid, name, &files, &attr, self, environment);
    }
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attr);
    return number;
}

static int spawn_failed(const process_options *o, int number, sdf_error **err)
{
    const char *what = o->command ? o->command[0] : "this program again";
    int rc = error_errno(err, number, "process: could not start %s", what);
    if (o->command)
        error_hint(err, "the option command= must name a program that can be run");
    else if (number == EAGAIN || number == ENOMEM)
        error_hint(err, "the system has no room for another process: use fewer workers");
    else
        error_hint(err, "name the program by the option command=");
    return rc;
}

int process_spawn(const process_options *o, process_spawned *p, sdf_error **err)
{
    ends e;
    char variable[sizeof(PROCESS_ENV) + 16 + PROCESS_TOKEN];
    int rc = make_token(p->token, err);
    if (!rc)
        rc = open_ends(&e, err);
    if (rc)
        return rc;
    snprintf(variable, sizeof(variable), "%s=%d:%s", PROCESS_ENV, PROCESS_SOCKET, p->token);
    char **environment = make_environment(variable);
    int number = environment ? run(o, &e, environment, &p->pid) : ENOMEM;
    free(environment);
    close(e.socket[1]);
    close(e.log[1]);
    if (number) {
        close(e.socket[0]);
        close(e.log[0]);
        return spawn_failed(o, number, err);
    }
    p->socket = e.socket[0];
    p->log = e.log[0];
    return SDF_OK;
}

void process_kill(pid_t pid)
{
    siginfo_t info;
    /* Still our child, alive or not yet reaped: then neither its pid nor its group's number can be another's. */
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
    }
}

static void describe_status(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status)) {
        int s = WTERMSIG(status);
        const char *name = sigdescr_np(s);
        snprintf(text, size, "was killed by signal %d (%s)%s", s, name ? name : "unknown",
                 s == SIGKILL ? "; if nobody killed it, the system may have run out of memory" : "");
    } else {
        snprintf(text, size, "exited with code %d", WEXITSTATUS(status));
    }
}

bool process_reap(pid_t pid, char *text, size_t size)
{
    int status;
    pid_t got;
    siginfo_t info = {.si_pid = 0};
    bool known = waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
    if (known && info.si_pid == 0)
        return false;
    if (known)
        kill(-pid, SIGKILL); /* what it has left behind; until it is reaped the number is its own */
    do {
        got = waitpid(pid, &status, WNOHANG);
    } while (got < 0 && errno == EINTR);
    if (got == 0)
        return false;
    if (got == pid)
        describe_status(status, text, size);
    else
        snprintf(text, size, "ended (how is not known: this program ignores SIGCHLD or waits for all children)");
    return true;
}

bool process_alive(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}
