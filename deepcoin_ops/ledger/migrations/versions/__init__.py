"""One file per revision, each frozen once released: it repeats its tables and does not import today's schema."""
