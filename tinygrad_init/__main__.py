"""``python -m tinygrad_init`` is the command ``tinygrad-init``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
