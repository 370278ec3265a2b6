"""Experiments on real data: data sets, training runs side by side, and the report.

Needs the extra ``study`` (scikit-learn, Matplotlib, threadpoolctl, tqdm).
"""

from . import data
from .arms import STANDARD_ARMS, Arm
from .extras import require
from .progress import Progress
from .question import STEPS, TiedGradients, tied_gradients, tiny_step
from .report import answer, write_report
from .runs import Record, Study, run

__all__ = [
    "STANDARD_ARMS",
    "STEPS",
    "Arm",
    "Progress",
    "Record",
    "Study",
    "TiedGradients",
    "answer",
    "data",
    "require",
    "run",
    "tied_gradients",
    "tiny_step",
    "write_report",
]
