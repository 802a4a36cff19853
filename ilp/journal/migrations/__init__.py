"""How a journal's schema came to be what it is: one numbered step a file in `versions`, run by alembic at every open."""
