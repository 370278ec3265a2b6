"""A self-contained HTML document: one style sheet, no script, no request."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from .palette import STYLE_ELEMENT, STYLE_SHEET

BASE_STYLE = """
:root { color-scheme: light dark;
  --ink: #1b1b1b; --paper: #ffffff; --line: #d0d0d0; --soft: #5c5c5c; --card: #f5f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181c; --line: #3c4048; --soft: #a8adb5; --card: #20242a; }
}
body { margin: 2rem auto; padding: 0 1.2rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 Helvetica, Arial, sans-serif; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: normal; }
code { font-size: .95em; }
"""


def document(title: str, style: str, body: str) -> str:
    """The whole page: ``style`` is added to what all pages share, ``body`` is HTML already.

    The policy lets the page do nothing but show itself: the hash names the one style sheet, and
    neither scripts nor requests are allowed.
    """
    whole_style = BASE_STYLE + style
    if STYLE_ELEMENT in body:  # a drawing brings its own, as it must where it stands alone
        whole_style, body = whole_style + STYLE_SHEET, body.replace(STYLE_ELEMENT, "")
    digest = base64.b64encode(hashlib.sha256(whole_style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>{escape(title)}</title>
<style>{whole_style}</style>
</head>
<body>
{body}
</body>
</html>
"""
