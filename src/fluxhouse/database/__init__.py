"""Connection, transaction and migrations; knows no table."""
