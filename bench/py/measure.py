"""Runs a program and writes what it took, as JSON: measure.py OUT PROGRAM [ARG]...

Wall time is from spawn to exit. Processor time is all threads', and peak RSS the program's own, both from wait4: exact,
where a look into /proc now and then would miss the end. The program dies with this process, and this one with the bench.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


die_with_parent()
out, *command = sys.argv[1:]
started = time.monotonic()
child = subprocess.Popen(command, preexec_fn=die_with_parent)
_, status, usage = os.wait4(child.pid, 0)
wall_s = time.monotonic() - started
code = os.waitstatus_to_exitcode(status)
with open(out, "w") as file:
    json.dump(
        {
            "wallMs": 1000 * wall_s,
            "userSeconds": usage.ru_utime,
            "systemSeconds": usage.ru_stime,
            "peakRssBytes": 1024 * usage.ru_maxrss,
        },
        file,
    )
sys.exit(code if code >= 0 else 128 - code)
