"""${message}"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from lightfast.library.schema import Moment

revision: str = ${repr(up_revision)}
down_revision: str | None = ${repr(down_revision)}


def upgrade() -> None:
    """${message}"""
    ${upgrades if upgrades else "pass"}
