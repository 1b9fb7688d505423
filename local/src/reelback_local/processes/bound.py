"""Run as a script: binds this process's life to its parent's, then becomes the given command.

A process of its own, because code between fork and exec in a parent with threads can hang. Linux only: elsewhere a
supervisor that is killed outright leaves its children.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

parent, command = int(sys.argv[1]), sys.argv[2:]
if sys.platform == "linux":
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
if os.getppid() != parent:
    sys.exit("the supervisor is gone")
os.execv(command[0], command)  # noqa: S606
