"""Which part of a piece of work is this process'."""

from __future__ import annotations

import os

from ._errors import InvalidArgumentError


def part_of(shard: str | tuple[int, int] | None) -> tuple[int, int]:
    """(number of this part, number of parts). "auto": the tasks of a Slurm array, times what torchrun or srun started
    in each of them; without any of these it is one part."""
    if shard is None:
        return 0, 1
    if shard == "auto":
        number, parts = _inner()
        outer, tasks = _array()
        return outer * parts + number, tasks * parts
    if isinstance(shard, str) or len(shard) != 2 or not 0 <= shard[0] < shard[1]:
        raise InvalidArgumentError(f"shard {shard!r}: expected 'auto', or (number from 0, number of parts)")
    return shard[0], shard[1]


def _read(name: str, least: int) -> int | None:
    text = os.environ.get(name)
    if text is None:
        return None
    if not text.isdecimal() or int(text) < least:
        raise InvalidArgumentError(f"shard 'auto': the environment variable {name} is {text!r}, expected a number")
    return int(text)


def _array() -> tuple[int, int]:
    task, tasks = _read("SLURM_ARRAY_TASK_ID", 0), _read("SLURM_ARRAY_TASK_COUNT", 1)
    if task is None or tasks is None:
        return 0, 1
    number = (task - (_read("SLURM_ARRAY_TASK_MIN", 0) or 0)) // (_read("SLURM_ARRAY_TASK_STEP", 1) or 1)
    return _checked(number, tasks)


def _inner() -> tuple[int, int]:
    # SLURM_STEP_NUM_TASKS is srun's: a batch script, where SLURM_PROCID is 0 whatever was asked for, has none.
    for number, parts in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")):
        first, second = _read(number, 0), _read(parts, 1)
        if first is not None and second is not None:
            return _checked(first, second)
    return 0, 1


def _checked(number: int, parts: int) -> tuple[int, int]:
    if not 0 <= number < parts:
        raise InvalidArgumentError(f"shard 'auto': the environment says part {number} of {parts}")
    return number, parts
