"""`capture`: record a training step once, and replay it without building a graph.

Read it in this order: :mod:`recording` (a function becomes a flat list of calls), :mod:`passes`
(fewer calls), :mod:`kernels` (how a call writes into given memory), :mod:`memory` (which memory),
:mod:`plan` (the replay), :mod:`listing` (the plan as text), :mod:`front` and :mod:`captured` (what
users call). :mod:`complaints` says what can go wrong. Functions of Values go their own way:
:mod:`scalars`.
"""

from .front import Step, capture
from .listing import Line
from .plan import Plan

__all__ = ["Line", "Plan", "Step", "capture"]
