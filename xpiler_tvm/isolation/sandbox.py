"""What a process that runs a stranger's code may still do: Linux's Landlock, seccomp and limits.

A forked worker narrows itself in two steps, neither of which can be undone: `enter` before it loads
anything, `seal` once the code to run is loaded. Where the system has no Landlock or no seccomp the
resource limits remain; `support` says so.
"""

from __future__ import annotations

import ctypes
import errno
import math
import mmap
import os
import resource
import signal
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache

from .syscalls import ARCHITECTURE, NUMBERS

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

# --- resource limits

OPEN_FILES = 256
PRINTED_BYTES = 16 << 20
"""Most bytes that a worker may write to a file, its captured output included."""

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38


def limit_resources(seconds: float, address_space: int) -> None:
    """Limits on CPU seconds, on bytes of addresses beyond those in use, on files and processes.

    Only for a process of its own: what is lowered here stays low.
    """
    cpu = math.ceil(seconds) + 1
    _limit(resource.RLIMIT_CPU, cpu, cpu + 1)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, PRINTED_BYTES)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_AS, used_bytes()[0] + address_space)
    # Python ignores this signal, and would go on printing into nowhere.
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")  # where memory runs out this process goes first


def _limit(what: int, soft: int, hard: int | None = None) -> None:
    with suppress(OSError, ValueError):
        most = resource.getrlimit(what)[1]
        hard = soft if hard is None else hard
        if most != resource.RLIM_INFINITY:
            soft, hard = min(soft, most), min(hard, most)
        resource.setrlimit(what, (soft, hard))


def used_bytes(process: int | str = "self") -> tuple[int, int]:
    """Bytes of addresses and of memory of its own that a process has; zeros where unknown."""
    with suppress(OSError, ValueError, IndexError), open(f"/proc/{process}/statm") as statm:
        size, resident, shared = (int(word) * mmap.PAGESIZE for word in statm.read().split()[:3])
        return size, max(0, resident - shared)
    return 0, 0


def memory_budget() -> int:
    """Bytes that one worker may fill: half of what is free, between 512 MiB and 8 GiB."""
    free = 4 << 30
    with suppress(OSError, ValueError, StopIteration), open("/proc/meminfo") as rows:
        free = 1024 * next(int(row.split()[1]) for row in rows if row.startswith("MemAvailable"))
    return min(max(free // 2, 512 << 20), 8 << 30)


# --- what a forked process inherits


def forget_inheritance(keep: Sequence[tuple[int, int]]) -> None:
    """Closes files, vacates memory that is shared with the parent, and clears the environment.

    Kept are the three standard files and memory that overlaps the address ranges `keep`.
    """
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.closerange(3, _most_files())
    os.environ.clear()
    with suppress(OSError), open("/proc/self/maps") as rows:
        for row in rows.readlines():
            places, rights = row.split()[:2]
            first, last = (int(place, 16) for place in places.split("-"))
            if rights[1] + rights[3] != "ws":
                continue
            if not any(begin < last and first < end for begin, end in keep):
                _vacate(first, last - first)


def _vacate(address: int, size: int) -> None:
    """Puts nothing in the place of a mapping, so that nothing else comes to lie there.

    Objects that are still to be freed believe that the place is theirs, and would unmap it.
    """
    place, fixed = ctypes.c_void_p(address), 0x10  # MAP_FIXED
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | fixed
    _libc.mmap(place, ctypes.c_size_t(size), 0, flags, -1, ctypes.c_long(0))


def _most_files() -> int:
    """A number above that of every open file."""
    with suppress(OSError, ValueError):
        return 1 + max(map(int, os.listdir("/proc/self/fd")))
    return min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 1 << 16)


# --- Landlock: files and networks

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
# The rights that each version of Landlock knows: files, networks, scopes.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_RULE_PATH_BENEATH = 1


@lru_cache(maxsize=1)
def landlock_version() -> int:
    """The version of Landlock's interface; 0 where the system has none."""
    if "landlock_create_ruleset" not in NUMBERS:
        return 0
    return max(0, _libc.syscall(NUMBERS["landlock_create_ruleset"], None, 0, 1))


def restrict_files(writable: Sequence[str] = ()) -> bool:
    """Leaves files readable, and those beneath `writable` writable too; no network.

    Returns whether the system has what it takes. Nothing can be executed afterwards.
    """
    version = landlock_version()
    if not version:
        return False
    rights = (1 << _FILE_RIGHTS[min(version, max(_FILE_RIGHTS))]) - 1
    about = struct.pack("=Q", rights)
    if version >= 4:
        about += struct.pack("=Q", 0b11)  # binding and connecting TCP sockets
    if version >= 6:
        about += struct.pack("=Q", 0b11)  # abstract sockets, signals to others
    rules = _libc.syscall(NUMBERS["landlock_create_ruleset"], about, len(about), 0)
    if rules < 0:
        return False
    try:
        execute = 1
        allowed = [("/", _READ_FILE | _READ_DIR)]
        allowed += [(path, rights & ~execute) for path in writable]
        for path, granted in allowed:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            rule = struct.pack("=Qi", granted, place)
            done = _libc.syscall(NUMBERS["landlock_add_rule"], rules, _RULE_PATH_BENEATH, rule, 0)
            os.close(place)
            if done != 0:
                return False
        return _libc.syscall(NUMBERS["landlock_restrict_self"], rules, 0) == 0
    finally:
        os.close(rules)


# --- seccomp: system calls

_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _TRAP, _ERRNO, _KILL = 0x7FFF0000, 0x00030000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_X32 = 0x40000000  # a second set of numbers for the same calls
_CLONE_THREAD = 0x10000
_PR_GET_SECCOMP, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 21, 22, 2

# What a loaded kernel, the emulator's runtime and the interpreter behind them need.
_RUNNING = (
    "brk", "clock_getres", "clock_gettime", "clock_nanosleep", "exit", "exit_group", "fstat",
    "futex", "getpid", "getrandom", "getrusage", "gettid", "gettimeofday", "lseek", "madvise",
    "membarrier", "mremap", "munmap", "nanosleep", "newfstatat", "restart_syscall", "rseq",
    "rt_sigprocmask", "rt_sigreturn", "sched_yield", "set_robust_list", "times", "write", "writev",
)  # fmt: skip
# What preparing a run needs beside: opening and mapping libraries, setting handlers and limits.
_LOADING = (
    "access", "arch_prctl", "close", "dup", "dup2", "dup3", "faccessat", "faccessat2", "fcntl",
    "fstatfs", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getppid", "getresgid",
    "getresuid", "getrlimit", "getuid", "ioctl", "lstat", "open", "openat", "poll", "ppoll",
    "pread64", "prctl", "prlimit64", "read", "readlink", "readlinkat", "readv", "rt_sigaction",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "seccomp", "setitimer",
    "sigaltstack", "stat", "statfs", "statx", "sysinfo", "uname",
)  # fmt: skip
# What compiling a module and running it on threads has no use for.
_NEVER = (
    "accept", "accept4", "acct", "add_key", "adjtimex", "bind", "bpf", "chroot", "clock_adjtime",
    "clock_settime", "connect", "delete_module", "execve", "execveat", "fanotify_init",
    "finit_module", "fork", "fsconfig", "fsmount", "fsopen", "fspick", "init_module", "io_setup",
    "io_submit", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
    "kexec_file_load", "kexec_load", "keyctl", "kill", "listen", "mknod", "mknodat", "mount",
    "mount_setattr", "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree",
    "perf_event_open", "personality", "pidfd_getfd", "pidfd_open", "pidfd_send_signal",
    "pivot_root", "process_madvise", "process_mrelease", "process_vm_readv", "process_vm_writev",
    "ptrace", "quotactl", "quotactl_fd", "reboot", "recvfrom", "recvmmsg", "recvmsg", "request_key",
    "rt_sigqueueinfo", "rt_tgsigqueueinfo", "sendmmsg", "sendmsg", "sendto", "setdomainname",
    "setgid", "setgroups", "sethostname", "setns", "setpgid", "setpriority", "setregid",
    "setresgid", "setresuid", "setreuid", "setsid", "settimeofday", "setuid", "shmat", "shmget",
    "socket", "socketpair", "swapoff", "swapon", "symlink", "symlinkat", "syslog", "tkill",
    "umount2", "unshare", "userfaultfd", "vfork", "vhangup",
)  # fmt: skip


def _instruction(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


def _call(name: str, body: Iterable[bytes]) -> bytes:
    """`body` for the call `name`; other calls skip it."""
    rows = list(body)
    return b"".join([_instruction(_EQUAL, NUMBERS[name], 0, len(rows)), *rows])


def _argument(number: int, *, high: bool = False) -> bytes:
    return _instruction(_LOAD, _ARGUMENTS + 8 * number + (4 if high else 0))


def _returns(action: int) -> bytes:
    return _instruction(_RETURN, action)


def _program(rows: Iterable[bytes], otherwise: int) -> bytes:
    """A filter: `rows`, each of which starts from the call's number, then `otherwise`."""
    head = [
        _instruction(_LOAD, _ARCHITECTURE),
        _instruction(_EQUAL, ARCHITECTURE or 0, 1, 0),
        _returns(_KILL),
        _instruction(_LOAD, _NUMBER),
        _instruction(_GREATER_EQUAL, _X32, 0, 1),
        _returns(_TRAP),
    ]
    return b"".join([*head, *rows, _returns(otherwise)])


def _known(names: Iterable[str]) -> list[str]:
    return [name for name in names if name in NUMBERS]


def _allowing(names: Iterable[str], *, executable: bool) -> bytes:
    """Only `names`, this process's signals to itself, and memory that may hold code or may not."""
    rows = [_call(name, [_returns(_ALLOW)]) for name in _known(names)]
    code = [] if executable else [_instruction(_ANY_BIT, mmap.PROT_EXEC, 1, 0)]
    for name in _known(("mmap", "mprotect")):
        # A jump over the permission, to the refusal behind it.
        rows.append(_call(name, [_argument(2), *code, _returns(_ALLOW), _returns(_TRAP)]))
    rows.append(_own_signals())
    return _program(rows, _TRAP)


def _own_signals() -> bytes:
    """`abort` signals the thread that calls it."""
    own = _instruction(_EQUAL, os.getpid(), 0, 1)
    return _call("tgkill", [_argument(0), own, _returns(_ALLOW), _returns(_TRAP)])


def _denying(names: Iterable[str]) -> bytes:
    """Everything but `names`, and threads but no processes."""
    rows = [_call(name, [_returns(_TRAP)]) for name in _known(names)]
    rows.append(_own_signals())
    thread = _instruction(_ANY_BIT, _CLONE_THREAD, 0, 1)
    rows.append(_call("clone", [_argument(0), thread, _returns(_ALLOW), _returns(_TRAP)]))
    # Its flags lie in memory, where no filter looks; the C library then takes `clone`.
    rows.append(_call("clone3", [_returns(_ERRNO | errno.ENOSYS)]))
    return _program(rows, _ALLOW)


class _Program(ctypes.Structure):
    """`sock_fprog` of linux/filter.h."""

    _fields_ = (("length", ctypes.c_ushort), ("rows", ctypes.c_char_p))


def _install(rows: bytes) -> bool:
    program = _Program(len(rows) // 8, rows)
    return _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0


def has_seccomp() -> bool:
    """Whether system calls can be filtered here."""
    return ARCHITECTURE is not None and _libc.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


# --- the two steps


def enter() -> bool:
    """No files but to read, no network, no processes; what loading a library needs is left.

    Returns whether all of it is in force.
    """
    files = _leave_privileges() and restrict_files()
    return has_seccomp() and _install(_allowing(_RUNNING + _LOADING, executable=True)) and files


def seal() -> bool:
    """Leaves memory, clocks and what is printed: what a loaded kernel needs, and no more.

    New memory cannot hold code any longer. Returns whether it is in force.
    """
    return has_seccomp() and _install(_allowing(_RUNNING, executable=False))


def enter_with_threads(folder: str = "") -> bool:
    """For what starts threads: compiling and running a module of TVM, or parsing.

    No network, no processes; files can be read, and those beneath `folder` be written. Returns
    whether all of it is in force.
    """
    files = _leave_privileges() and restrict_files([folder] if folder else [])
    if folder:
        os.environ["TMPDIR"] = folder
    return has_seccomp() and _install(_denying(_NEVER)) and files


def _leave_privileges() -> bool:
    """No program can give rights back, and the worker ends with its parent."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    return _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0


def missing() -> list[str]:
    """What this system lacks of the sandbox, in words."""
    found = []
    if not landlock_version():
        found.append("Landlock")
    if not has_seccomp():
        found.append("seccomp")
    return found
