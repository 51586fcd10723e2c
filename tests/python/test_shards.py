"""Which part of the work is a process': by what Slurm, srun and torchrun put into its environment."""

import pytest

import actkin
from actkin._shards import part_of

NAMES = (
    "RANK", "WORLD_SIZE", "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN",
    "SLURM_ARRAY_TASK_STEP", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS",
)  # fmt: skip


@pytest.fixture
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)

    def set_variables(**variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return set_variables


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (0, 1)),
        ({"RANK": 2, "WORLD_SIZE": 4}, (2, 4)),
        ({"RANK": 2}, (0, 1)),
        ({"SLURM_ARRAY_TASK_ID": 3, "SLURM_ARRAY_TASK_COUNT": 4}, (3, 4)),
        ({"SLURM_ARRAY_TASK_ID": 5, "SLURM_ARRAY_TASK_COUNT": 4, "SLURM_ARRAY_TASK_MIN": 2}, (3, 4)),
        (
            {
                "SLURM_ARRAY_TASK_ID": 8,
                "SLURM_ARRAY_TASK_COUNT": 4,
                "SLURM_ARRAY_TASK_MIN": 2,
                "SLURM_ARRAY_TASK_STEP": 3,
            },
            (2, 4),
        ),
        ({"SLURM_PROCID": 1, "SLURM_STEP_NUM_TASKS": 2}, (1, 2)),
        ({"SLURM_PROCID": 0, "SLURM_NTASKS": 4}, (0, 1)),  # a batch script's, which is one process
        ({"SLURM_ARRAY_TASK_ID": 1, "SLURM_ARRAY_TASK_COUNT": 2, "RANK": 2, "WORLD_SIZE": 3}, (5, 6)),
        ({"RANK": 1, "WORLD_SIZE": 2, "SLURM_PROCID": 5, "SLURM_STEP_NUM_TASKS": 6}, (1, 2)),
    ],
)
def test_auto(environment, variables, expected):
    environment(**variables)
    assert part_of("auto") == expected
    assert part_of(None) == (0, 1) and part_of((1, 7)) == (1, 7)


@pytest.mark.parametrize(
    "variables", [{"RANK": 4, "WORLD_SIZE": 4}, {"RANK": "x", "WORLD_SIZE": 4}, {"RANK": 0, "WORLD_SIZE": 0}]
)
def test_what_says_nothing(environment, variables):
    environment(**variables)
    with pytest.raises(actkin.InvalidArgumentError, match="environment"):
        part_of("auto")


@pytest.mark.parametrize("shard", ["", "0/2", (2, 2), (-1, 2), (0,), (0, 0)])
def test_parts_that_are_none(shard):
    with pytest.raises(actkin.InvalidArgumentError):
        part_of(shard)
