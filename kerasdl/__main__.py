"""`python -m kerasdl`: the same as the command `kerasdl`."""

import sys

from kerasdl.cli import main

if __name__ == "__main__":
    sys.exit(main())
