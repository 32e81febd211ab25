"""`motorium`, with the toy stages for its own; for tests that need a process to kill."""

import sys

import motorium.stages
from motorium.cli import main
from tests.flow import toys

if __name__ == "__main__":
    motorium.stages.STAGES = toys.STAGES
    sys.exit(main())
