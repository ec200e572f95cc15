"""Time limit of the cluster job that a training runs in: it is saved in time and the job queued again."""

from __future__ import annotations

import os
import subprocess
import sys
import time

MARGIN = 300  # seconds before the end at which the training is saved
REQUEUE = "DAWN_REQUEUE"  # environment variable that the workflow sets in jobs that are one training
_KILLED = 120  # seconds within which SLURM ends a job that it has queued again
TRY_AGAIN = 75  # exit code of a job that cannot be queued again (EX_TEMPFAIL)


class JobLimit:
    """End of the SLURM job of this process, if it is one with an end."""

    def __init__(self) -> None:
        # Other jobs, such as an interactive one, run more than this training: they are not queued again.
        self._job = os.environ.get("SLURM_JOB_ID") if os.environ.get(REQUEUE) else None
        self._looked = time.time()
        self._end = float(os.environ.get("SLURM_JOB_END_TIME") or 0)

    @property
    def exists(self) -> bool:
        """Whether there is a limit."""
        return self._job is not None and self._end > 0

    def reached(self) -> bool:
        """Return whether the job ends within :data:`MARGIN` seconds, or before the second call from now."""
        now, before = time.time(), self._looked
        self._looked = now
        return now > self._end - max(MARGIN, 2 * (now - before))

    def queue_again(self, stage: str, step: int) -> None:
        """Queue the job again under its number, which ends it; at its limit it would count as failed.

        Raises SystemExit with :data:`TRY_AGAIN` where that is not possible.
        """
        print(f"{stage}: saved at step {step}, before the job's time limit; the job is queued again", file=sys.stderr)
        try:
            queued = subprocess.run(["scontrol", "requeue", str(self._job)], check=False).returncode == 0
        except FileNotFoundError:
            queued = False
        if not queued:
            raise SystemExit(TRY_AGAIN)

    def wait(self) -> None:
        """Wait for the end of this process, with the job or with the main process; raises SystemExit after a while."""
        time.sleep(_KILLED)
        raise SystemExit(TRY_AGAIN)
