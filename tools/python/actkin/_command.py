"""The command actkin of this wheel: what needs no LibTorch and no FAISS."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

COMMAND = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "actkin")


def main() -> NoReturn:
    os.execv(COMMAND, ["actkin", *sys.argv[1:]])
