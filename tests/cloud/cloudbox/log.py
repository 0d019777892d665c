"""The log of every request: the oracle of what a client asked for, how often, and over how many connections."""

from __future__ import annotations

import fnmatch
import json
import pathlib
import threading
import time
from typing import Any


class Log:
    """Entries in memory and, a JSON line each, in a file."""

    def __init__(self, path: pathlib.Path | None):
        self._entries: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._open: set[int] = set()
        self._begun_calls = 0
        self._file = open(path, "a", encoding="utf-8", buffering=1) if path else None
        self._begun = time.monotonic()

    def begin(self) -> int:
        """A call begins; its number is to be given to add."""
        with self._lock:
            self._begun_calls += 1
            self._open.add(self._begun_calls)
            return self._begun_calls

    def add(self, call: int, entry: dict[str, Any]) -> None:
        with self._lock:
            self._open.discard(call)
            self._settled.notify_all()
            entry["n"] = len(self._entries) + 1
            self._entries.append(entry)
            if self._file:
                self._file.write(json.dumps(entry) + "\n")

    def since_start(self, t: float) -> float:
        return round(t - self._begun, 6)

    def find(self, since: int = 0, **patterns: str) -> list[dict[str, Any]]:
        """Entries after number `since`; patterns with * and ? on their fields. A call is logged just after it was answered:
        those that began before are waited for, but not for ever, as some are slow by rule."""
        with self._lock:
            last = self._begun_calls
            self._settled.wait_for(lambda: not self._open or min(self._open) > last, 0.5)
            entries = self._entries[since:]
        return [e for e in entries if all(fnmatch.fnmatchcase(str(e.get(k)), p) for k, p in patterns.items())]

    def close(self) -> None:
        if self._file:
            self._file.close()
