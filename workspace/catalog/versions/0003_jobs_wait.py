"""Jobs that wait before they are tried again."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_jobs_wait"
down_revision = "0002_page_sessions"


def upgrade() -> None:
    op.add_column("jobs", sa.Column("not_before", sa.DateTime(timezone=True), nullable=True))
