"""Kernels that are after the machine: refused by vetting, and held by the sandbox without it."""

from __future__ import annotations

from pathlib import Path

import pytest

from xpiler_tvm.emulation import vetting
from xpiler_tvm.errors import XpilerError
from xpiler_tvm.isolation import sandbox

from .support import Run, execute, first, out

# Names of the C library as the linker has them, which no declaration has to go by.
LIBC = """
int c_system(const char*) asm("system");
int c_open(const char*, int, ...) asm("open");
void* c_fopen(const char*, const char*) asm("fopen");
int c_socket(int, int, int) asm("socket");
int c_fork() asm("fork");
long c_ptrace(int, int, void*, void*) asm("ptrace");
int c_kill(int, int) asm("kill");
int c_execve(const char*, void*, void*) asm("execve");
char* c_getenv(const char*) asm("getenv");
void* c_mmap(void*, size_t, int, int, int, long) asm("mmap");
int c_mprotect(void*, size_t, int) asm("mprotect");
void* c_dlsym(void*, const char*) asm("dlsym");
long c_syscall(long, ...) asm("syscall");
long c_write(int, const void*, size_t) asm("write");
int c_setsid() asm("setsid");
"""
HOSTILE = {
    "system": ('y[0] = c_system("true");', "XP5009"),
    "open": ('y[0] = c_open("/etc/passwd", 0);', "XP5009"),
    "fopen": ('y[0] = c_fopen("/etc/passwd", "r") != 0;', "XP5009"),
    "socket": ("y[0] = c_socket(2, 1, 0);", "XP5009"),
    "fork bomb": ("for (;;) c_fork();", "XP5009"),
    "ptrace": ("y[0] = c_ptrace(0, 0, 0, 0);", "XP5009"),
    "kill": ("y[0] = c_kill(1, 9);", "XP5009"),
    "a new program": ('y[0] = c_execve("/bin/true", 0, 0);', "XP5009"),
    "memory for code": ("y[0] = c_mmap(0, 4096, 7, 34, -1, 0) != 0;", "XP5009"),
    "data made executable": ("y[0] = c_mprotect((void*)((long)y & -4096), 4096, 5);", "XP5009"),
    "a pointer from dlsym": (
        'y[0] = ((int (*)(const char*))c_dlsym(0, "system"))("true");',
        "XP5009",
    ),
    "a call by number": ("y[0] = c_syscall(425, 1, 0);", "XP5009"),
    "a call in assembly": (
        'long n = 57; asm volatile("syscall" : "+a"(n) :: "rcx", "r11", "memory"); y[0] = n;',
        "XP5009",
    ),
    "bytes of code in an array": (
        "static unsigned char code[] = {0x0f, 0x05, 0xc3}; ((void (*)())code)();",
        "XP5005",
    ),
    "a session of its own": ("y[0] = c_setsid();", "XP5009"),
    "overwriting the runtime": ("*(volatile int*)&printf = 0;", "XP5005"),
}


def attack(statement: str, before: str = LIBC) -> Run:
    source = f"{before}\n__global__ void k(int* y) {{ {statement} }}"
    return execute(source, out("y", 1, "int32"), block=(1,), seconds=5)


@pytest.fixture
def unvetted(monkeypatch: pytest.MonkeyPatch) -> None:
    if sandbox.missing():
        pytest.skip("this system has no " + " and no ".join(sandbox.missing()))
    monkeypatch.setattr(vetting, "vet", lambda *given: None)
    monkeypatch.setattr(vetting, "inspect", lambda *given: None)


@pytest.mark.parametrize("name", HOSTILE)
def test_vetting_refuses_it(name: str) -> None:
    with pytest.raises(XpilerError) as caught:
        attack(HOSTILE[name][0])
    assert caught.value.code in ("XP1008", "XP1010", "XP1016"), caught.value
    assert caught.value.span is not None


@pytest.mark.usefixtures("unvetted")
@pytest.mark.parametrize("name", HOSTILE)
def test_the_sandbox_holds_it(name: str) -> None:
    statement, code = HOSTILE[name]
    with pytest.raises(XpilerError) as caught:
        attack(statement)
    assert caught.value.code == code, caught.value


@pytest.mark.usefixtures("unvetted")
def test_a_forbidden_call_is_named() -> None:
    with pytest.raises(XpilerError, match="'socket'"):
        attack(HOSTILE["socket"][0])


@pytest.mark.usefixtures("unvetted")
def test_code_at_loading_writes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "written"
    before = (
        f'{LIBC}\n__attribute__((constructor)) static void f() {{ c_open("{file}", 0101, 0600); }}'
        # Reached by the kernel, or it would be left out.
        "\nstatic int used() { (void)&f; return 1; }"
    )
    assert first(attack("y[0] = used();", before))[0] == 1
    assert not file.exists()


@pytest.mark.usefixtures("unvetted")
@pytest.mark.parametrize("call", ["c_fork()", "c_socket(2, 1, 0)", 'c_system("true")'])
def test_code_at_loading_starts_nothing(call: str) -> None:
    with pytest.raises(XpilerError) as caught:
        attack("y[0] = started;", f"{LIBC}\nint started = {call};")
    assert caught.value.code == "XP5009"


@pytest.mark.usefixtures("unvetted")
def test_the_environment_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_CALLER", "1")
    assert first(attack('y[0] = c_getenv("SECRET_OF_THE_CALLER") != 0;'))[0] == 0


@pytest.mark.usefixtures("unvetted")
def test_open_files_of_the_caller_are_closed(tmp_path: Path) -> None:
    with open(tmp_path / "log", "wb", buffering=0) as file:
        got = attack(f'y[0] = c_write({file.fileno()}, "x", 1);')
    assert first(got)[0] == -1
    assert (tmp_path / "log").read_bytes() == b""
