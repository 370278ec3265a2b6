"""The modes: whether operations are recorded, and in which arithmetic they are computed.

A mode is switched for a block, a function, a generator or a coroutine:

>>> import tinygrad_init as tg
>>> x = tg.Tensor([1.0, 2.0], requires_grad=True)
>>> with tg.no_grad():
...     y = x * 2
>>> y.requires_grad
False

The settings live in a context variable, so threads and async tasks do not see each other's, and
a new thread starts with the defaults. They form a linked list: entering pushes a changed copy,
leaving returns to the one below. A mode object therefore holds no state of its own and may be
shared, nested and reused. One warning: a bare ``with`` around a ``yield`` stays switched on in the
caller while the generator is paused; decorate the generator function instead.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

PLAIN, EXACT = 0, 1  #: the two arithmetics, as indices into ``Operation.kernels``

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(slots=True)  # whose attributes take a fifth of the time of those of a named tuple
class Settings:
    """What is in force: read once per operation."""

    recording: bool = True
    arithmetic: int = PLAIN
    detecting: bool = False
    recorder: Any = None  # what ``capture`` records into
    outer: Settings | None = None
    by: Mode | None = None


_settings: ContextVar[Settings] = ContextVar("tinygrad_init_settings", default=Settings())  # noqa: B039
current = _settings.get


class Mode:
    """A change of some settings, usable as ``with mode:`` and as ``@mode``."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    def __enter__(self) -> None:
        now = _settings.get()
        _settings.set(replace(now, **self.changes, outer=now, by=self))

    def __exit__(self, *exception: object) -> None:
        _settings.set(_without(_settings.get(), self))

    def __call__(self, function: Function) -> Function:
        """Run every call of ``function`` in this mode; a generator re-enters it at each resume."""
        if not callable(function):
            raise TypeError(f"a mode decorates a function, got {function!r}: or use it with `with`")
        if inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{type(self).__name__} cannot decorate the async generator "
                f"{function.__name__!r}: use it as a `with` block between two yields"
            )
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self:
                    return await function(*args, **kwargs)

        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with self:
                    result = function(*args, **kwargs)
                return self._resume_inside(result) if inspect.isgenerator(result) else result

        return cast(Function, wrapper)

    def _resume_inside(self, generator: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        resume: Callable[[], Any] = functools.partial(next, generator)
        try:
            while True:
                try:
                    with self:
                        item = resume()
                except StopIteration as stop:
                    return stop.value
                try:
                    sent = yield item
                except GeneratorExit:
                    raise
                except BaseException as error:  # what the caller throws in belongs to the generator
                    resume = functools.partial(generator.throw, error)
                else:
                    resume = functools.partial(generator.send, sent)
        finally:
            with self:
                generator.close()


def _without(now: Settings, mode: Mode) -> Settings:
    """``now`` without its innermost entry by ``mode``, if it was entered in this context."""
    if now.outer is None:
        return now
    if now.by is mode:
        return now.outer
    below, by = _without(now.outer, mode), now.by
    return replace(below, **(by.changes if by else {}), outer=below, by=by)


def refuse_reading(asked: str) -> None:
    """Raise while ``capture`` records: what is read now would be the same in every replay."""
    recorder = current().recorder
    if recorder is not None:
        recorder.refuse(asked)


class no_grad(Mode):  # noqa: N801 - a mode reads like a keyword, as in PyTorch
    """Compute without recording: results have no history.

    >>> import tinygrad_init as tg
    >>> w = tg.Tensor([3.0], requires_grad=True)
    >>> @tg.no_grad()
    ... def predict(x):
    ...     return w * x
    >>> predict(2.0).requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(recording=False)


class reproducible(Mode):  # noqa: N801
    """Compute sums and products exactly, rounded once: the same bits in any order, on any machine.

    Ordinary floating-point addition depends on the order of its terms, and a matrix product adds
    in an order that depends on the shape, the processor and the number of threads. In this mode
    every sum over an axis and every matrix product is the exact real value, rounded once to
    nearest even, and the elementary functions use correctly rounded operations alone. That holds
    for each operation by itself: ``a + b + c`` and the built-in ``sum`` are several additions, each
    rounded; stack the terms and sum over an axis instead. A function without such a version
    raises :class:`~tinygrad_init.autograd.errors.GraphError`, naming it.

    >>> import tinygrad_init as tg
    >>> terms = tg.Tensor([1e16, 1.0, -1e16])
    >>> float(terms.sum())
    0.0
    >>> with tg.reproducible():
    ...     float(terms.sum())
    1.0
    """

    def __init__(self) -> None:
        super().__init__(arithmetic=EXACT)


class detect_anomaly(Mode):  # noqa: N801
    """Look out for mistakes, slowly: nan, inf, and arrays that change behind the tape's back.

    The first operation whose value or gradient is nan or inf raises
    :class:`~tinygrad_init.autograd.errors.GraphError`, with the operation, its inputs and the
    line of your code that made it. So does a backward pass that would read an array which was
    written to after it was recorded (``t.data[0] = 1``), which is not noticed otherwise. A backward
    pass is watched where the forward pass was recorded in this mode.

    >>> import tinygrad_init as tg
    >>> w, x = tg.Tensor([2.0], requires_grad=True), tg.Tensor([3.0]).data
    >>> with tg.detect_anomaly():
    ...     y = (w * x).sum()
    ...     x[0] = 0.0
    ...     y.backward()
    Traceback (most recent call last):
        ...
    tinygrad_init.autograd.errors.GraphError: multiply: an array that it needs for its derivative \
was written to after it was recorded: keep arrays as they are until backward()
      at ...
    """

    def __init__(self) -> None:
        super().__init__(detecting=True)


def in_arithmetic(arithmetic: int) -> Mode:
    """``PLAIN`` or ``EXACT`` for a block, whichever is in force around it."""
    return Mode(arithmetic=arithmetic)
