"""Become a command that dies with the local cloud: launcher.py PARENT_PID COMMAND...

Runs alone, on a bare Python. PR_SET_PDEATHSIG survives exec, so the command itself need not know of it.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            sys.exit(1)
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"cannot run {command[0]}: {error}")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
