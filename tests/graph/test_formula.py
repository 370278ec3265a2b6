r"""Formulas: what a line of text and MathML say is what the LaTeX says.

The oracle is arithmetic: a calculator that knows nothing of the module under test works out the
line of text and the MathML, each by the rules of its own kind, and compares with the operation, the
optimiser, or the expression that the LaTeX was written for.
"""

from __future__ import annotations

import math
import operator
import random
import re
import string
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import tinygrad_init as tg
from tests.graph.pdf import compile_latex
from tinygrad_init import DataError, F
from tinygrad_init.graph.formula import as_latex, as_mathml, as_text

OPERATIONS = {row.name: row.formula for row in F}
SCALAR = [row.name for row in F if row.scalar and row.params.keys() <= {"alpha", "slope", "scale"}
          and not re.search(r"text|elu|[=<>]|\\(le|ge|ne)\b", row.formula)]  # fmt: skip


def _optimisers() -> dict[str, tg.optim.Optimiser]:
    """Each with every setting that its formula tells of, by a name."""
    made: dict[str, tg.optim.Optimiser] = {}
    settings: list[tuple[Callable[..., tg.optim.Optimiser], list[dict[str, Any]]]] = [
        (tg.optim.SGD, [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}]),
        (tg.optim.RMSProp, [{}, {"momentum": 0.9}]),
        (tg.optim.Adam, [{}]), (tg.optim.AdamW, [{}]), (tg.optim.Adagrad, [{}]),
    ]  # fmt: skip
    for make, variants in settings:
        for variant in variants:
            for decay in (0.0, 0.05):
                w = tg.Tensor(np.array([0.7]), requires_grad=True)
                one = make([w], lr=0.1, weight_decay=decay, **variant)
                made[" ".join([type(one).__name__, *variant, *["decay"] * bool(decay)])] = one
    return made


OPTIMISERS = _optimisers()


# A calculator. Tokens are numbers, names and signs; a power comes behind what it raises.


class Calculator:
    """Infix arithmetic, in which what stands side by side is multiplied, from left to right."""

    def __init__(self, tokens: list[Any], values: Mapping[str, Any]) -> None:
        self.tokens = [*tokens, ""]
        self.values = values
        self.is_in_bars = False

    def all(self) -> Any:
        found = self.sum()
        assert self.tokens == [""], self.tokens
        return found

    def accept(self, *wanted: str) -> str:
        here = self.tokens[0]
        return self.tokens.pop(0) if isinstance(here, str) and here in wanted else ""

    def sum(self) -> Any:
        total = self.product()
        while sign := self.accept("+", "-"):
            total = total + self.product() if sign == "+" else total - self.product()
        return total

    def product(self) -> Any:
        total = self.power()
        while True:
            if self.accept("/"):
                total = total / self.power()
            elif self.accept("·", "×") or self.starts_something():
                total = total * self.power()
            else:
                return total

    def starts_something(self) -> bool:
        here = self.tokens[0]
        closing = [")", "+", "-", ",", "", *["|"] * self.is_in_bars]
        return here not in closing if isinstance(here, str) else not isinstance(here, tuple)

    def power(self) -> Any:
        if sign := self.accept("-", "+"):
            return -self.power() if sign == "-" else self.power()
        base = self.single()
        while isinstance(self.tokens[0], tuple):
            base = base ** self.tokens.pop(0)[1]
        return base

    def single(self) -> Any:
        here = self.tokens.pop(0)
        if not isinstance(here, str):
            return here
        if here in ("(", "|"):
            was_in_bars, self.is_in_bars = self.is_in_bars, here == "|"
            inside = self.sum()
            assert self.accept(")" if here == "(" else "|"), self.tokens
            self.is_in_bars = was_in_bars
            return inside if here == "(" else abs(inside)
        if here.endswith("√"):
            return root(self.single(), int(here[:-1] or 2))
        found = self.values[here]
        return found(*self.arguments()) if callable(found) else found

    def arguments(self) -> Iterator[Any]:
        if not self.accept("("):
            yield self.power()
            return
        was_in_bars, self.is_in_bars = self.is_in_bars, False
        yield self.sum()
        while self.accept(","):
            yield self.sum()
        assert self.accept(")")
        self.is_in_bars = was_in_bars


def root(number: Any, degree: int) -> Any:
    """Exact for a fraction, which must have one."""
    if not isinstance(number, Fraction):
        return math.copysign(abs(number) ** (1 / degree), number)
    sides = [round(abs(side) ** (1 / degree)) for side in number.as_integer_ratio()]
    found = Fraction(*sides) * (-1 if number < 0 else 1)
    assert found**degree == number
    return found


_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_IN_TEXT = re.compile(
    r"(?P<number>\d+(?:\.\d+)?|\.\d+)|(?P<root>[²³]?√)|(?P<raised>[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻]+)"
    r"|(?P<name>(?:[a-zA-Z]{2,}\d?|[^\W\d_][\u0304\u0302]?'*)(?:\^\((?:\d|[a-z])\))?(?:_[a-zA-Z0-9]+|[₀-₉]+|\[[^]]*\])?)"
    r"|(?P<power>\^)|(?P<sign>[-+·×/()|,←])|(?P<room>\s+)"
)


def in_text(shown: str) -> list[Any]:
    """The tokens of a line of text."""
    tokens: list[Any] = []
    position = 0
    while position < len(shown):
        found = _IN_TEXT.match(shown, position)
        assert found, shown[position:]
        position = found.end()
        if found["number"]:
            tokens.append(Fraction(found["number"]))
        elif found["root"]:
            tokens.append(found["root"].translate(_SUPERSCRIPT))
        elif found["raised"]:
            tokens.append(("^", Fraction(found["raised"].translate(_SUPERSCRIPT))))
        elif found["power"]:
            exponent, position = _exponent(shown, position)
            tokens.append(("^", exponent))
        elif not found["room"]:
            name = found[0].rstrip("₀₁₂₃₄₅₆₇₈₉")
            index = found[0].removeprefix(name)
            tokens.append(f"{name}_{index.translate(_SUBSCRIPT)}" if index else name)
    return tokens


def _exponent(shown: str, position: int) -> tuple[list[Any], int]:
    """What stands behind ^: a letter, or a bracket with all that is in it."""
    if shown[position] != "(":
        return [shown[position]], position + 1
    depth, end = 1, position + 1
    while depth:
        depth += {"(": 1, ")": -1}.get(shown[end], 0)
        end += 1
    return in_text(shown[position + 1 : end - 1]), end


def work_out(tokens: list[Any], values: Mapping[str, Any]) -> Any:
    """The value of tokens, exponents first."""
    known = [
        ("^", work_out(token[1], values) if isinstance(token[1], list) else token[1])
        if isinstance(token, tuple) else token
        for token in tokens
    ]  # fmt: skip
    return Calculator(known, values).all()


def value_of_text(shown: str, values: Mapping[str, Any]) -> Any:
    return work_out(in_text(shown), values)


def in_mathml(element: ET.Element, values: Mapping[str, Any]) -> list[Any]:
    """The tokens of an element; a fraction, a root or a script is worked out."""
    children = list(element)

    def inside(k: int) -> Any:
        return work_out(in_mathml(children[k], values), values)

    match element.tag:
        case "mrow" if children and (children[-1].text or "").startswith("′"):
            return [_name(element)]
        case "math" | "mrow":
            return [token for child in children for token in in_mathml(child, values)]
        case "mspace":
            return []
        case "mn":
            return [Fraction(element.text or "")]
        case "mi" | "mo":
            return [{"−": "-"}.get(element.text or "", element.text)]
        case "mfrac":
            return [inside(0) / inside(1)]
        case "msqrt":
            return [root(inside(0), 2)]
        case "mroot":
            return [root(inside(0), int(inside(1)))]
        case "msub" | "mover":
            return [_name(element)]
        case "msubsup" if (children[2][0].text if len(children[2]) else "") == "(":
            return [_name(element)]
        case "msubsup":
            name = _name(children[0]) + _lowered(children[1])
            return [values[name] ** inside(2)]
        case "msup" if children[0].text in (")", "|"):
            return [children[0].text, ("^", inside(1))]
        case "msup":
            return [inside(0) ** inside(1)]
    raise AssertionError(element.tag)


def value_of_mathml(shown: str, values: Mapping[str, Any]) -> Any:
    return work_out(in_mathml(ET.fromstring(shown), values), values)


def _name(element: ET.Element) -> str:
    """A name as the line of text has it."""
    parts = [_name(child) if len(child) else child.text or "" for child in element]
    match element.tag:
        case "mrow":
            return "".join(parts).replace("′", "'")
        case "mover":
            return parts[0] + {"¯": "\u0304", "^": "\u0302"}[parts[1]]
        case "msub":
            return parts[0] + _lowered(element[1])
        case "msubsup":
            return f"{parts[0]}^{parts[2]}{_lowered(element[1])}"
    return element.text or ""


def _lowered(element: ET.Element) -> str:
    return f"[{_name(element)}]" if len(element) else f"_{element.text}"


# Well-formed.

MATHML_CORE = {  # elements, and how many children they have, where that is fixed
    "math": None, "mrow": None, "mi": 0, "mn": 0, "mo": 0, "mtext": 0, "mspace": 0, "mfrac": 2,
    "msqrt": None, "mroot": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2,
    "munderover": 3,
}  # fmt: skip
ATTRIBUTES = {
    "math": {"display"}, "mo": {"form", "stretchy", "lspace", "rspace"}, "mspace": {"width"},
    "mi": {"mathvariant"}, "mover": {"accent"},
}  # fmt: skip


def check_mathml(shown: str) -> ET.Element:
    """Well-formed, of elements of MathML Core, each with as many children as it must have."""
    tree = ET.fromstring(shown)
    assert tree.tag == "math"
    for element in tree.iter():
        children = MATHML_CORE[element.tag]
        assert children is None or len(element) == children, ET.tostring(element)
        assert set(element.attrib) <= ATTRIBUTES.get(element.tag, set()), element.attrib
        if element.tag in ("mi", "mn", "mo"):
            assert (element.text or "\n").isprintable()
        else:
            assert element.tag == "mtext" or element.text is None
    return tree


@pytest.mark.parametrize("latex", [*OPERATIONS.values(), *(o.formula for o in OPTIMISERS.values())],
                         ids=[*OPERATIONS, *OPTIMISERS])  # fmt: skip
def test_every_formula_of_the_project_is_shown(latex: str) -> None:
    assert latex
    check_mathml(as_mathml(latex))
    text = as_text(latex)
    assert text == text.strip()
    assert not re.search(r"[\\{}^]$|\\|  (?! |\w ←)", text)
    assert as_latex(latex) == latex


# Their values.


def _sign(x: float) -> float:
    return math.copysign(1, x)


def _normal(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


FUNCTIONS: dict[str, Any] = {
    **{name: getattr(math, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp")},
    "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "arsinh": math.asinh,
    "arcosh": math.acosh, "artanh": math.atanh, "atan2": math.atan2, "ln": math.log,
    "log_2": math.log2, "log_10": math.log10, "max": max, "min": min, "sign": _sign, "Φ": _normal,
    "σ": lambda x: 1 / (1 + math.exp(-x)), "e": math.e,
}  # fmt: skip


@pytest.mark.parametrize("name", SCALAR)
@pytest.mark.parametrize("read", [value_of_text, value_of_mathml])
def test_the_formula_of_an_operation_has_its_value(
    name: str, read: Callable[[str, Mapping[str, Any]], Any]
) -> None:
    row = getattr(F, name)
    shown = (as_text if read is value_of_text else as_mathml)(row.formula)
    draw = random.Random(name)
    for _ in range(5):
        x, y = draw.uniform(0.1, 0.9), draw.uniform(0.1, 0.9)
        if name in ("arccosh", "sinh", "exp"):
            x += 1
        if name in ("relu", "softsign", "absolute", "sigmoid", "hardtanh", "sign", "square"):
            x *= draw.choice([-1, 3])
        expected = row(*[x, y][: len(row.rules)])
        values = {**FUNCTIONS, "x": x, "y": y, "s": 0.01}
        assert math.isclose(read(shown, values), expected, rel_tol=1e-12), (shown, x, y)


def test_most_operations_on_numbers_are_compared() -> None:
    assert len(SCALAR) > 40


@pytest.mark.parametrize("name", OPTIMISERS)
@pytest.mark.parametrize("way", ["text", "mathml"])
def test_the_formula_of_an_optimiser_makes_its_steps(name: str, way: str) -> None:
    (optimiser,) = (one for key, one in _optimisers().items() if key == name)
    (w,) = optimiser.parameters
    group = optimiser.groups[0]
    values: dict[str, Any] = {
        "w": w.item(), "η": 0.1, "λ": group["weight_decay"], "μ": group.get("momentum"),
        "ρ": group.get("decay"), "ε": group.get("eps"), "β_1": group.get("beta1"),
        "β_2": group.get("beta2"), **dict.fromkeys("mvsu", 0.0),
    }  # fmt: skip
    for step in range(1, 5):
        slope = math.sin(step)
        w.grad = np.array([slope])
        optimiser.step()
        values |= {"g": slope, "t": step}
        for assigned, tokens in _assignments(optimiser.formula, way, values):
            values[assigned] = work_out(tokens(), values)
        assert math.isclose(values["w"], w.item(), rel_tol=1e-12)


def _assignments(
    latex: str, way: str, values: dict[str, Any]
) -> Iterator[tuple[str, Callable[[], list[Any]]]]:
    """Name and tokens of each; they may depend on those before."""
    if way == "text":
        for one in as_text(latex).split(",  "):
            name, right = one.split(" ← ")
            yield name, partial(in_text, right)
        return
    parts = list(check_mathml(as_mathml(latex))[0])
    arrows = [k for k, part in enumerate(parts) if part.text == "←"]
    for arrow, following in zip(arrows, [*arrows[1:], len(parts) + 3], strict=True):
        row = ET.Element("mrow")
        row.extend(parts[arrow + 1 : following - 3])  # behind it: comma, room, a name
        yield _name(parts[arrow - 1]), partial(in_mathml, row, values)


VALUES: dict[str, Any] = {
    "x": Fraction(2), "y": Fraction(-3), "k": Fraction(2), "x_1": Fraction(5), "β": Fraction(1, 7),
    "w[i,k]": Fraction(11), "β_2": Fraction(13), "x\u0304": Fraction(-1, 2), "x'": Fraction(17),
    "x_0": Fraction(19), "W^(1)_i": Fraction(3, 4), "z''": Fraction(23), "δ_m": Fraction(29),
    "max": max, "min": min,
}  # fmt: skip
LEAVES = {
    "x": "x", "y": "y", "x_1": "x_1", r"\beta": "β", r"\beta_2": "β_2", "w_{i,k}": "w[i,k]",
    r"\bar x": "x\u0304", "x'": "x'", "W^{(1)}_{i}": "W^(1)_i", "z''": "z''",
    r"\delta_{m}": "δ_m",
}  # fmt: skip
SUM, PRODUCT, POWER, SINGLE = range(4)  #: how tightly an expression holds together


@st.composite
def expressions(draw: st.DrawFn, depth: int = 3) -> tuple[str, int, Fraction]:
    """LaTeX, how tightly it holds together, and its value."""
    kinds = ["leaf", "number"]
    if depth:
        kinds += ["sum", "minus", "product", "slash", "fraction", "power", "root", "bars", "max"]
    kind = draw(st.sampled_from(kinds))

    def part(at_least: int = SUM) -> tuple[str, Fraction]:
        latex, tightness, value = draw(expressions(depth - 1))
        return (latex if tightness >= at_least else f"({latex})"), value

    match kind:
        case "leaf":
            latex = draw(st.sampled_from(list(LEAVES)))
            return latex, SINGLE, VALUES[LEAVES[latex]]
        case "number":
            latex = draw(st.sampled_from(["1", "2", "10", "1.5", ".25"]))
            return latex, SINGLE, Fraction(latex)
        case "sum":
            (left, a), (right, b) = part(), part(PRODUCT)
            sign, compute = draw(st.sampled_from([("+", operator.add), ("-", operator.sub)]))
            return f"{left} {sign} {right}", SUM, compute(a, b)
        case "minus":
            right, b = part(PRODUCT)
            return f"-{right}", SUM, -b
        case "product":
            (left, a), (right, b) = part(PRODUCT), part(POWER)
            sign = draw(st.sampled_from([" ", r" \cdot ", r" \times ", r" \, "]))
            if right[0] in ".123456789" and sign == " ":
                sign = r" \cdot "
            return f"{left}{sign}{right}", PRODUCT, a * b
        case "slash":
            (left, a), (right, b) = part(PRODUCT), part(POWER)
            assume(b)
            return f"{left} / {right}", PRODUCT, a / b
        case "fraction":
            (above, a), (below, b) = part(), part()
            assume(b)
            return rf"\frac{{{above}}}{{{below}}}", POWER, a / b
        case "power":
            return draw(powers(depth))
        case "root":
            inside, a = part(SINGLE)
            degree = draw(st.sampled_from([2, 3]))
            left = r"\sqrt" if degree == 2 else r"\sqrt[3]"
            inside = f"{{{inside}}}^{degree}" if draw(st.booleans()) else f"({inside})^{degree}"
            return rf"{left}{{{inside}}}", POWER, abs(a) if degree == 2 else a
        case "bars":
            inside, a = part()
            return (f"|({inside})|" if "|" in inside else f"|{inside}|"), POWER, abs(a)
    (left, a), (right, b) = part(), part()
    return rf"\max({left}, {right})", POWER, max(a, b)


@st.composite
def powers(draw: st.DrawFn, depth: int) -> tuple[str, int, Fraction]:
    latex, tightness, a = draw(expressions(depth - 1))
    if tightness < POWER:
        latex = f"({latex})"
    elif tightness == POWER or "^" in latex or latex.startswith("."):
        latex = f"{{{latex}}}"
    assume("|" not in latex or latex.startswith(("(", "{")))
    exponent, n = draw(st.sampled_from([("2", 2), ("3", 3), ("{-1}", -1), ("k", 2), ("{2 - k}", 0),
                                        ("{k^2}", 4), (r"{\frac{4}{k}}", 2)]))  # fmt: skip
    assume(a or n > 0)
    return f"{latex}^{exponent}", POWER, a**n


@settings(derandomize=True, deadline=None, max_examples=400)
@given(expressions())
@example((r"x / \frac{y}{x_1}", PRODUCT, Fraction(2 * 5, -3)))
@example((r"\frac{\frac{x}{y}}{x_1}", PRODUCT, Fraction(2, -15)))
@example((r"\frac{x}{\frac{y}{x_1}}", PRODUCT, Fraction(10, -3)))
@example((r"\frac{x}{y}^2", POWER, Fraction(4, 9)))
@example((r"{x^2}^3", POWER, Fraction(64)))
@example((r"x^{2^3}", POWER, Fraction(256)))
@example((r"\sqrt{x^2}^3", POWER, Fraction(8)))
@example((r"|-x| - y", SUM, Fraction(5)))
@example((r"x \cdot -y", PRODUCT, Fraction(6)))
def test_text_and_mathml_have_the_value_of_the_expression(
    expression: tuple[str, int, Fraction],
) -> None:
    latex, _, value = expression
    mathml = as_mathml(latex)
    check_mathml(mathml)
    assert value_of_text(as_text(latex), VALUES) == value, as_text(latex)
    assert value_of_mathml(mathml, VALUES) == value, mathml


# A line of text, and marks that are not arithmetic.


@pytest.mark.parametrize(
    ("latex", "text"),
    [
        (r"\frac{\partial L}{\partial W^{(1)}_{k,i}}", "∂L/∂W^(1)[k,i]"),
        (r"\frac{\partial^2 L}{\partial x^2}", "∂²L/∂x²"),
        (r"x_{ij} + x_{i + 1} + x_{10}", "x[i j] + x[i + 1] + x₁₀"),
        (r"x_i^{a + b}", "x_i^(a + b)"),
        (r"x_{y^2} = x_y^2", "x[y²] = x_y²"),
        (r"x_{y_i}", "x[y_i]"),
        (r"x^{\mathsf T}\,y", "xᵀ y"),
        (r"\bar x \hat{y} \bar{x_i} \bar{x + y}", "x\u0304 y\u0302 (x_i)\u0304 (x + y)\u0304"),
        (r"\sqrt[n]{x + y}", "(x + y)^(1/n)"),
        (r"\sin \frac{x}{y} - \ln -x", "sin(x/y) - ln -x"),
        (r"\varphi'(z_i) + f''^2(x) + f_i'", "φ'(z_i) + f''²(x) + f'_i"),
        (r"\alpha (x + y)", "α (x + y)"),  # a factor, not a function: the space is kept
        (r"\sum_{i = 1}^n x_i \prod_j y_j", "Σ[i = 1]^n x_i Π_j y_j"),
        (r"\{0, 1\} \ne [-1, +1)", "{0, 1} ≠ [-1, +1)"),
        (r"x_1, \dots, x_n", "x₁, …, x_n"),
        (r"\|x\| \le |-x| |+y|", "‖x‖ ≤ |-x||+y|"),
        (r"p(x|y) - |z|", "p(x|y) - |z|"),
        (r"|(x|y)| - z", "|(x|y)| - z"),
        (r"x \text{ if } (y) \text{ else } -z", "x if (y) else -z"),
        (r"a \to -\infty, \quad b \approx c, \qquad \ell \odot d",
         "a → -∞,  b ≈ c,    ℓ ⊙ d"),
        (r"2 x\ y 3!", "2 x y 3!"),
        (r"\operatorname{elu}_\alpha x", "elu_α x"),
        (r"\hat{\max}", "(max)\u0302"),
        ("x^{}", "x"),
        ("{x}" * 60, " ".join("x" * 60)),  # beside one another, not inside
        ("{}_i", "_i"),
        (r"\frac{\mathrm{d}y}{\mathrm{d}W_{1}} = \mathrm{d}y / \mathrm{d}b", "dy/dW₁ = dy/db"),
        (r"\frac{\partial L}{\partial (\text{two words})} \text{two words}^2",
         "∂L/∂(two words) (two words)²"),
        (r"\frac{\mathrm{d}(x)}{\mathrm{d}(x)(y)}", "d(x)/(d(x)(y))"),
        (r"\frac{\mathrm{d}y}{\mathrm{d}\mathrm{loss}}", "dy/dloss"),
        (r"\mathrm{d}_{k} x", "d_k x"),  # an index makes it a name of its own
    ],
)  # fmt: skip
def test_text(latex: str, text: str) -> None:
    assert as_text(latex) == text


# The structure of MathML.


def mathml(latex: str) -> str:
    """Without the element around."""
    shown = as_mathml(latex)
    check_mathml(shown)
    return shown.removeprefix("<math>").removesuffix("</math>")


@pytest.mark.parametrize(
    ("latex", "shown"),
    [
        (r"\frac{a}{b}", "<mfrac><mi>a</mi><mi>b</mi></mfrac>"),
        (r"\sqrt{x}", "<msqrt><mi>x</mi></msqrt>"),
        (r"\mathrm{d}x \cdot \mathrm{loss} x",
         '<mrow><mi mathvariant="normal">d</mi><mi>x</mi><mo>·</mo><mi>loss</mi>'
         '<mspace width="0.17em"/><mi>x</mi></mrow>'),
        (r"\sqrt[3]{x}", "<mroot><mi>x</mi><mn>3</mn></mroot>"),
        (r"\sqrt[n]{x}", "<mroot><mi>x</mi><mi>n</mi></mroot>"),
        ("x_i", "<msub><mi>x</mi><mi>i</mi></msub>"),
        ("x^i", "<msup><mi>x</mi><mi>i</mi></msup>"),
        ("x^i_j", "<msubsup><mi>x</mi><mi>j</mi><mi>i</mi></msubsup>"),
        ("x_j^i", "<msubsup><mi>x</mi><mi>j</mi><mi>i</mi></msubsup>"),
        (r"\sum_j^i", "<munderover><mo>∑</mo><mi>j</mi><mi>i</mi></munderover>"),
        (r"\prod_j", "<munder><mo>∏</mo><mi>j</mi></munder>"),
        (r"\max_j", "<munder><mi>max</mi><mi>j</mi></munder>"),
        (r"\log_2", "<msub><mi>log</mi><mn>2</mn></msub>"),
        (r"\bar x", '<mover accent="true"><mi>x</mi><mo stretchy="false">¯</mo></mover>'),
        ("f'", "<mrow><mi>f</mi><mo>′</mo></mrow>"),
        ("f''_i", "<msub><mrow><mi>f</mi><mo>′′</mo></mrow><mi>i</mi></msub>"),
        ("a - b", "<mrow><mi>a</mi><mo>−</mo><mi>b</mi></mrow>"),
        ("a = -b", '<mrow><mi>a</mi><mo>=</mo><mo form="prefix">−</mo><mi>b</mi></mrow>'),
        ("|a|", '<mrow><mo form="prefix" stretchy="false">|</mo><mi>a</mi>'
                '<mo form="postfix" stretchy="false">|</mo></mrow>'),
        ("a / b", '<mrow><mi>a</mi><mo lspace="0" rspace="0">/</mo><mi>b</mi></mrow>'),
        (r"\mathsf T", '<mi mathvariant="normal">T</mi>'),
        (r"2 \ln x", '<mrow><mn>2</mn><mspace width="0.17em"/><mi>ln</mi><mspace width="0.17em"/>'
                     "<mi>x</mi></mrow>"),
        (r"\max(x)", '<mrow><mi>max</mi><mo form="prefix" stretchy="false">(</mo><mi>x</mi>'
                     '<mo form="postfix" stretchy="false">)</mo></mrow>'),
        (r"\text{ if }", "<mtext>\N{NO-BREAK SPACE}if\N{NO-BREAK SPACE}</mtext>"),
        (r"a \quad b", '<mrow><mi>a</mi><mspace width="1em"/><mi>b</mi></mrow>'),
        (r"\frac{}{a}", "<mfrac><mrow></mrow><mi>a</mi></mfrac>"),
    ],
)  # fmt: skip
def test_mathml(latex: str, shown: str) -> None:
    assert mathml(latex) == shown


def test_a_formula_on_a_line_of_its_own() -> None:
    assert as_mathml("x", display=True) == '<math display="block"><mi>x</mi></math>'


def test_signs_that_mean_something_to_xml_are_escaped() -> None:
    shown = as_mathml("a < b > c")
    assert ET.fromstring(shown).itertext()
    assert "".join(ET.fromstring(shown).itertext()) == "a<b>c"


# What is refused.


@pytest.mark.parametrize(
    ("latex", "complaint"),
    [
        ("", "it is empty"),
        ("  \n", "it is empty"),
        (r"{\text{}} \quad \ ", "it is empty"),
        (r"\foo", r"\\foo is not known"),
        (r"\;", r"\\; is not known"),
        ("x \\", r"\\ is not known"),
        (r"\input{secret}", r"\\input is not known"),
        (r"\frac{a}", "ends too early"),
        (r"\frac", "ends too early"),
        (r"\frac{a", "'}' is missing"),
        (r"x^{a", "'}' is missing"),
        ("a}", "'}' stands where"),
        (r"\sqrt[3", "ends too early"),
        (r"\sqrt[n + 1]{x}", "degree of a root"),
        ("x_", "ends too early"),
        ("x^", "ends too early"),
        ("^2", r"'\^' stands where"),
        ("_i", "'_' stands where"),
        ("'", '"\'" stands where'),
        ("x^_i", "'_' stands where"),
        ("x^^2", r"'\^' stands where"),
        ("x_i_j", "a second '_'"),
        ("x^i_j^k", r"a second '\^'"),
        ("x^2'", 'a second "\'"'),
        ("x'_i^2", r"a second '\^'"),
        ("x'_i'", 'a second "\'"'),
        ("x^12", "'12' needs braces"),  # TeX would raise the 1 alone
        (r"\frac12", "'12' needs braces"),
        (r"x^\frac{1}{2}", "needs braces"),
        (r"\bar\text{a}", "needs braces"),
        ("{" * 60 + "x" + "}" * 60, "inside one another"),
        *((f"x {sign} y", "stands where") for sign in '$%&#~"`@?'),
        ("x ρ", "'ρ' stands where"),
        ("x · y", "'·' stands where"),
        ("²", "'²' stands where"),
        ("٣", "'٣' stands where"),
        ("\ud800", "stands where"),
        *((rf"\text{{a{sign}b}}", "cannot show") for sign in '\\$%&#~^_<>|"`é\x00\n'),
        (r"\operatorname{a b}", "cannot show"),
        (r"\operatorname{}", "cannot show"),
        (r"\mathsf \alpha", "cannot show"),
        (r"\mathsf }", "cannot show"),
        (r"\text{a{b}c}", "cannot show"),
        (r"\text{a", "cannot show"),
        (r"\text", "ends too early"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("show", [as_text, as_mathml, as_latex])
def test_what_cannot_be_shown_is_refused(
    latex: str, complaint: str, show: Callable[[str], str]
) -> None:
    with pytest.raises(DataError, match=complaint) as caught:
        show(latex)
    assert repr(latex) in str(caught.value)


def test_latex_comes_back_on_one_line() -> None:
    assert as_latex(r"a\ ") == "a\\ "  # a space that TeX shows
    assert as_latex("a' ' ^2") == "a''^2"
    assert as_latex(" a\n\n + \tb ") == "a + b"


# Anything at all.

PIECES = [
    *string.ascii_lowercase[:5], *string.digits[:3], "12", "1.5", *"+-*/=<>()[]|!,.'",
    *"{}{}{}__^^^", " ", "\n", r"\alpha", r"\partial ", r"\sum", r"\prod", r"\max", r"\ln",
    r"\frac", r"\frac{a}{b}", r"\sqrt", r"\sqrt[3]", r"\bar", r"\hat", r"\,", r"\quad",
    r"\ ", r"\|", r"\{",
    r"\}", r"\text{ if }", r"\text", r"\mathsf T", r"\operatorname{sign}", r"\le", r"\dots",
    r"\cdot", r"\infty", r"\mathrm{d}", "{a}", "{a + b}", "_{i,j}", "^{(1)}",
]  # fmt: skip


def _shows(latex: str) -> bool:
    """Whether it is shown; then in every way, else in none."""
    try:
        text = as_text(latex)
    except DataError:
        for show in (as_text, as_mathml, as_latex):
            with pytest.raises(DataError, match=re.escape(repr(latex))):
                show(latex)
        return False
    check_mathml(as_mathml(latex))
    assert "\n" not in text + as_latex(latex)
    return True


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_pieces_in_any_order_are_shown_or_refused(latex: str) -> None:
    _shows(latex)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=40))
def test_any_text_is_shown_or_refused(latex: str) -> None:
    _shows(latex)


@pytest.mark.latex
def test_whatever_is_shown_compiles(tmp_path: Path) -> None:
    draw = random.Random(0)
    soup = ("".join(draw.choices(PIECES, k=draw.randint(1, 12))) for _ in range(20_000))
    found = [latex for latex in soup if latex.strip() and _shows(latex)]
    assert len(found) > 2000
    known = [*OPERATIONS.values(), *(one.formula for one in OPTIMISERS.values())]
    lines = [f"${as_latex(latex)}$ \\[{as_latex(latex)}\\]" for latex in [*known, *found]]
    body = "\n\n".join(lines)
    compile_latex(
        "\\documentclass{article}\\usepackage{amsmath}\\hbadness=10000 \\hfuzz=\\maxdimen\n"
        f"\\begin{{document}}\n{body}\n\\end{{document}}\n",
        tmp_path,
    )
