"""Who is signed in to the pages, and which links were revoked."""

import sqlalchemy as sa
from alembic import op

revision = "0002_page_sessions"
down_revision = "0001_first_release"

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "page_sessions",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("created", MOMENT, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False, unique=True),
        sa.Column("key_id", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(200), nullable=False),
        sa.Column("seen", MOMENT, nullable=False),
        sa.Column("expires", MOMENT, nullable=False),
        sa.Column("ended", MOMENT, nullable=True),
    )
    op.create_index("ix_page_sessions_key_id", "page_sessions", ["key_id"])
    op.create_table(
        "revoked_links",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("expires", MOMENT, nullable=False),
    )
