"""Rehearse CUDA on a machine without a GPU.

Tensors stay on the CPU, claim to be on cuda:N, and are held to CUDA's rules:

    with rehearsal(devices=2) as log:  # torch.cuda.is_available() is True inside
        trainer.train(...)
    assert log.waits() <= 60, log.text()

    python -m tests.support.cuda_rehearsal -m ltr.run_training spot quickstart  # any command
    python -m pytest -n 0 -p tests.support.cuda_rehearsal.pytest_plugin         # any tests

- Every number is real. The CPU's kernels compute, so a run equals the one on the CPU unless it
  draws random numbers on the device. Autograd, state dicts, optimisers and autocast are torch's.
- Everything that CUDA refuses is refused: tensors of two devices in one operation, `.numpy()`,
  generators of the CPU, integer matrix products, and inside a CUDA graph everything that waits.
- A graph replays the operations that it recorded on the memory they had. Operations on another
  device are not recorded, so their results stay stale, as on a GPU.
- The log counts, by file and line, every copy between host and device and everything else that
  makes the host wait.

A tensor subclass with `device='cuda'` does not get far, because autograd asks the driver about the
device of each node. The claim is therefore an attribute of the storage, which views and in-place
operations share. A TorchFunctionMode answers Python's questions (`.device`, `.to` …), and a
TorchDispatchMode sees all ATen calls. Tensors that C++ makes for itself belong nowhere until they
meet others. Autocast is the CPU's with CUDA's list of operations that stay in fp32.

The rehearsal watches the thread that enters it and the threads that `threading` starts from there.
Processes started from it have no GPU. It does not rehearse time, memory, kernels that lack a data
type on one of the two sides, races between streams, torch.compile and export.
"""

from tests.support.cuda_rehearsal.placement import device_of
from tests.support.cuda_rehearsal.rehearsing import rehearsal
from tests.support.cuda_rehearsal.wait_log import WaitLog

__all__ = ["WaitLog", "device_of", "rehearsal"]
