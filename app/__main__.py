import sys

from cidbus.cli import main

sys.exit(main())
