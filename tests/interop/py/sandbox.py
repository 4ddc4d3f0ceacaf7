"""Runs a program under the system-call filters of one of our systemd units, as systemd would set them up:

    sandbox.py UNIT PROGRAM [WORD ...]

SystemCallFilter= (its groups are asked of the systemd that is installed), RestrictAddressFamilies=,
RestrictNamespaces=, LockPersonality= and NoNewPrivileges=. None of them needs root. What needs it (users, mounts,
capabilities) is not here.
"""

import errno
import os
import socket
import subprocess
import sys

import seccomp

NAMESPACES = {
    "mnt": 0x00020000,
    "cgroup": 0x02000000,
    "uts": 0x04000000,
    "ipc": 0x08000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
MOST_FAMILIES = 64


def settings_of(path):
    """Every value of every setting; the section does not matter, no name is in two."""
    settings = {}
    with open(path, encoding="utf-8") as unit:
        for line in unit:
            key, equals, value = line.strip().partition("=")
            if equals and not key.startswith("#"):
                settings.setdefault(key, []).append(value)
    return settings


def calls_of(name):
    """The system calls of a group, groups inside it too; a call's own name is just that."""
    if not name.startswith("@"):
        return {name}
    answer = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name], check=True, capture_output=True, text=True
    )
    names = [line.strip() for line in answer.stdout.splitlines()[1:]]
    return set().union(*(calls_of(one) for one in names if one and not one.startswith("#")))


def filter_calls(lines):
    allowed = calls_of("@default")
    for line in lines:
        named = set().union(*(calls_of(name) for name in line.removeprefix("~").split()))
        allowed = allowed - named if line.startswith("~") else allowed | named
    rules = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    for name in sorted(allowed):
        # Negative: another architecture's.
        if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
            rules.add_rule(seccomp.ALLOW, name)
    return rules


def filter_families(names):
    allowed = {getattr(socket, name) for name in names.split()}
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for family in set(range(MOST_FAMILIES)) - allowed:
        rules.add_rule(seccomp.ERRNO(errno.EAFNOSUPPORT), "socket", seccomp.Arg(0, seccomp.EQ, family))
    return rules


def filter_namespaces():
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    for flag in NAMESPACES.values():
        for call in ("clone", "unshare"):
            rules.add_rule(seccomp.ERRNO(errno.EPERM), call, seccomp.Arg(0, seccomp.MASKED_EQ, flag, flag))
    rules.add_rule(seccomp.ERRNO(errno.EPERM), "setns")
    # Its flags lie in memory, where no filter looks: glibc then takes the older one.
    rules.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    return rules


def filter_personality():
    rules = seccomp.SyscallFilter(seccomp.ALLOW)
    rules.add_rule(seccomp.ERRNO(errno.EPERM), "personality", seccomp.Arg(0, seccomp.NE, 0xFFFFFFFF))
    return rules


def main():
    settings = settings_of(sys.argv[1])
    assert settings["NoNewPrivileges"] == settings["RestrictNamespaces"] == settings["LockPersonality"] == ["yes"]
    [families] = settings["RestrictAddressFamilies"]
    # The calls come last: what the others need to be set up is not all allowed.
    for rules in (
        filter_personality(),
        filter_families(families),
        filter_namespaces(),
        filter_calls(settings["SystemCallFilter"]),
    ):
        rules.load()
    os.execvp(sys.argv[2], sys.argv[2:])


main()
