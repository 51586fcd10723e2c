"""What the figures depend on."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def cores() -> int:
    return os.cpu_count() or 1


def describe() -> dict[str, object]:
    """Processor, cores, memory, system, and the load of the last minute."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    values = {name.strip(): value.strip() for name, value in fields.items()}
    flags = values.get("flags", "").split()
    return {
        "processor": values.get("model name", platform.machine()),
        "instructions": [flag for flag in ("avx2", "avx512f", "avx512_vnni") if flag in flags],
        "cache": values.get("cache size", ""),
        "cores": cores(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2),
    }


def in_words(machine: dict[str, object]) -> str:
    gigabytes = round(int(str(machine["memory_bytes"])) / 1e9)
    widest = "AVX-512" if "avx512f" in str(machine["instructions"]) else "AVX2"
    return f"{machine['cores']} cores of an {machine['processor']} ({widest}), {gigabytes} GB, load {machine['load']}"
