"""`python -m api` is the command `understudy`."""

import sys

from api.cli import main

if __name__ == "__main__":
    sys.exit(main())
