"""A self-contained HTML document: one style sheet, at most one script, no request."""

from __future__ import annotations

import base64
import hashlib
from html import escape

from .palette import STYLE_ELEMENT, STYLE_SHEET

BASE_STYLE = """
:root { color-scheme: light dark;
  --ink: light-dark(#1b1b1b, #e8e8e8); --paper: light-dark(#ffffff, #16181c);
  --line: light-dark(#d0d0d0, #3c4048); --soft: light-dark(#5c5c5c, #a8adb5);
  --card: light-dark(#f5f7f9, #20242a); }
body { margin: 2rem auto; padding: 0 1.2rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 Helvetica, Arial, sans-serif; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: normal; }
code { font-size: .95em; }
"""


def document(title: str, style: str, body: str, script: str = "") -> str:
    """The whole page: ``style`` is added to what all pages share, ``body`` is HTML already.

    The policy lets the page do nothing but show itself: hashes name the one style sheet and the one
    script, if there is any; no other is allowed, nor markup made from strings, nor any request.
    """
    whole_style = BASE_STYLE + style
    if STYLE_ELEMENT in body:  # a drawing brings its own, as it must where it stands alone
        whole_style, body = whole_style + STYLE_SHEET, body.replace(STYLE_ELEMENT, "")
    allowed = f"style-src {_hash(whole_style)}; img-src data:"
    element = ""
    if script:
        allowed += f"; script-src {_hash(script)}; require-trusted-types-for 'script'"
        element = f"<script>{script}</script>\n"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
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
{element}</body>
</html>
"""


def _hash(content: str) -> str:
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
