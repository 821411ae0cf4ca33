"""Run a command on rehearsed GPUs; the log of waits goes to stderr.

    python -m tests.support.cuda_rehearsal [--devices N] [--tf32] -m ltr.run_training spot quickstart
    torchrun --nproc-per-node 2 -m tests.support.cuda_rehearsal -m ltr.run_training spot ...

Under torchrun each process has one GPU and NCCL's rules hold.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import runpy
import sys

from tests.support.cuda_rehearsal.process_group import nccl_rules
from tests.support.cuda_rehearsal.rehearsing import rehearsal


def main() -> None:
    """Parse the command line and run the command."""
    parser = argparse.ArgumentParser(description="Run a command on rehearsed GPUs.")
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    parser.add_argument("--devices", type=int, default=processes, help="number of GPUs")
    parser.add_argument("--tf32", action="store_true", help="round what fp32 convolutions read")
    parser.add_argument("-m", dest="module", action="store_true", help="the command is a module")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    sys.argv[:] = options.command
    sys.path.insert(0, os.getcwd())

    is_main_process = os.environ.get("RANK", "0") == "0"
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(rehearsal(options.devices, options.tf32))
        collectives = stack.enter_context(nccl_rules()) if "RANK" in os.environ else {}
        try:
            if options.module:
                runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(sys.argv[0], run_name="__main__")
        finally:
            if is_main_process:
                sys.stderr.write(
                    f"--- {log.waits()} waits, {log.uploads()} uploads\n{log.text()}\n"
                )
                for (collective, device), times in sorted(collectives.items()):
                    sys.stderr.write(f"{times:8d}  {collective} on {device}\n")


if __name__ == "__main__":
    main()
