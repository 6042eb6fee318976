"""`python -m lightfast.cli`."""

import sys

from lightfast.cli.app import main

sys.exit(main())
